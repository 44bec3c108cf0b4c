//! What the C library keeps of memory that was freed.
//!
//! Pictures come and go all the time, raw ones of megabytes inside GStreamer. glibc takes large pieces from the system and gives them
//! back, but what counts as large grows with the pieces that are freed: soon that of raw pictures is kept for others, which rarely
//! fit. And each thread keeps its own.

use nix::libc::{M_ARENA_MAX, M_MMAP_THRESHOLD, c_int, mallopt};

/// Pieces from this size on go back to the system: where glibc begins, and smaller than any raw picture. What is pooled or
/// smaller costs nothing by it.
const LARGE: c_int = 128 << 10;
/// For all threads together. A camera's thread and those of the runtime seldom allocate at the same time.
const ARENAS: c_int = 2;

/// Has freed memory go back to the system. To be called before there are threads.
#[allow(unsafe_code, reason = "glibc can be told by this call only")]
pub fn give_back() {
    // SAFETY: the call changes numbers that nothing but the allocator reads; there is no other thread yet.
    unsafe {
        mallopt(M_MMAP_THRESHOLD, LARGE);
        mallopt(M_ARENA_MAX, ARENAS);
    }
}
