//! The cameras that the agent has at present. Reading them never waits; a reload exchanges the whole list.

use std::sync::Arc;

use arc_swap::ArcSwap;

use crate::camera::Camera;

/// The present cameras, in the order of the configuration; the first is meant where none is named.
#[derive(Clone, Default)]
pub struct Cameras(Arc<ArcSwap<Vec<Arc<Camera>>>>);

impl Cameras {
    /// All of them.
    #[must_use]
    pub fn all(&self) -> Arc<Vec<Arc<Camera>>> {
        self.0.load_full()
    }

    /// The one of this name.
    #[must_use]
    pub fn named(&self, id: &str) -> Option<Arc<Camera>> {
        let cameras = self.0.load();
        let found = cameras.iter().find(|camera| camera.name().camera == id);
        found.cloned()
    }

    /// From now on these.
    pub fn put(&self, cameras: Vec<Arc<Camera>>) {
        self.0.store(Arc::new(cameras));
    }
}
