//! Every difference there is, with its reason. One that does not occur any more is an error, like one that is not listed.

use crate::difference::{Difference, Side};

/// A difference that stays.
#[derive(Debug, Clone, Copy)]
pub struct Known {
    /// Where: `*` stands for the rest of a name or a whole one, `**` at the end for everything below.
    pub path: &'static str,
    /// Who says something.
    pub side: Side,
    /// Why it is right like that.
    pub reason: &'static str,
}

/// All of them. `docs/conformance.md` names each.
pub const KNOWN: &[Known] = &[];

impl Known {
    /// Whether this is the difference that is meant.
    pub fn covers(&self, difference: &Difference) -> bool {
        self.side == difference.side() && matches(self.path, &difference.path)
    }
}

fn matches(pattern: &str, path: &str) -> bool {
    let mut names = path.split('/');
    for wanted in pattern.split('/') {
        if wanted == "**" {
            return true;
        }
        let Some(name) = names.next() else {
            return false;
        };
        let fits = match wanted.strip_suffix('*') {
            Some(start) => name.starts_with(start),
            None => name == wanted,
        };
        if !fits {
            return false;
        }
    }
    names.next().is_none()
}
