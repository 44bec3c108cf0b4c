//! One client a section, made when its first frame comes.

use std::{
    num::NonZeroUsize,
    sync::{Arc, Mutex, PoisonError},
};

use airside_core::SectionId;
use airside_proto::v1::section_client::SectionClient;
use airside_runtime::{Mesh, mesh::GrpcChannel};
use lru::LruCache;

use super::Failure;
use crate::frame::section_origin;

/// Sections whose connection is kept. Names come with frames, so there must be an end.
const KEPT: NonZeroUsize = NonZeroUsize::new(128).expect("not zero");

#[derive(Clone, Debug)]
pub(super) struct Sections {
    mesh: Mesh,
    template: Arc<str>,
    clients: Arc<Mutex<LruCache<SectionId, SectionClient<GrpcChannel>>>>,
}

impl Sections {
    pub(super) fn new(mesh: Mesh, template: &str) -> Self {
        Self {
            mesh,
            template: template.into(),
            clients: Arc::new(Mutex::new(LruCache::new(KEPT))),
        }
    }

    /// The client of a section.
    pub(super) fn client(
        &self,
        section: &SectionId,
    ) -> Result<SectionClient<GrpcChannel>, Failure> {
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = clients.get(section) {
            return Ok(client.clone());
        }
        let origin = section_origin(&self.template, section)
            .map_err(|problem| Failure::Refused(problem.detail().to_owned()))?;
        let client = SectionClient::new(self.mesh.channel(&origin));
        clients.put(section.clone(), client.clone());
        Ok(client)
    }
}
