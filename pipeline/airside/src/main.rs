//! The one binary of the pipeline: `airside <role>`.

fn main() {}
