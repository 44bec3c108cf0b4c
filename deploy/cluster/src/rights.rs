//! What the one who asks may do, by the API server's own word.

use futures::future::try_join_all;
use k8s_openapi::api::authorization::v1::{
    ResourceAttributes, SelfSubjectAccessReview, SelfSubjectAccessReviewSpec,
};
use kube::api::PostParams;
use kube::core::ApiResource;

use crate::cluster::Cluster;
use crate::error::Error;

/// A verb on a resource.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Right {
    verb: &'static str,
    group: String,
    /// `deployments`, `pods/log`
    resource: String,
    /// None means the whole cluster.
    namespace: Option<String>,
}

impl Right {
    pub(crate) fn new(
        verb: &'static str,
        group: &str,
        resource: &str,
        namespace: Option<&str>,
    ) -> Self {
        Self {
            verb,
            group: group.to_owned(),
            resource: resource.to_owned(),
            namespace: namespace.map(str::to_owned),
        }
    }

    /// For a kind that was looked up.
    pub(crate) fn of_kind(verb: &'static str, kind: &ApiResource, namespace: Option<&str>) -> Self {
        Self::new(verb, &kind.group, &kind.plural, namespace)
    }

    /// `patch deployments.apps in namespace airside`
    pub(crate) fn words(&self) -> String {
        let dot = if self.group.is_empty() { "" } else { "." };
        let place = match &self.namespace {
            Some(namespace) => format!("in namespace {namespace}"),
            None => "in the whole cluster".to_owned(),
        };
        format!("{} {}{dot}{} {place}", self.verb, self.resource, self.group)
    }

    /// Whether a rule of a Role gives it.
    #[cfg(test)]
    pub(crate) fn is_given_by(&self, rule: &serde_json::Value) -> bool {
        let holds = |field: &str, wanted: &str| {
            let list = rule[field].as_array().into_iter().flatten();
            list.into_iter().any(|one| one == wanted)
        };
        holds("apiGroups", &self.group)
            && holds("resources", &self.resource)
            && holds("verbs", self.verb)
    }

    fn review(&self) -> SelfSubjectAccessReview {
        let (resource, subresource) = match self.resource.split_once('/') {
            Some((resource, subresource)) => (resource, Some(subresource.to_owned())),
            None => (self.resource.as_str(), None),
        };
        let attributes = ResourceAttributes {
            verb: Some(self.verb.to_owned()),
            group: Some(self.group.clone()),
            resource: Some(resource.to_owned()),
            subresource,
            namespace: self.namespace.clone(),
            ..ResourceAttributes::default()
        };
        SelfSubjectAccessReview {
            spec: SelfSubjectAccessReviewSpec {
                resource_attributes: Some(attributes),
                ..SelfSubjectAccessReviewSpec::default()
            },
            ..SelfSubjectAccessReview::default()
        }
    }
}

impl Cluster {
    /// Those of `rights` that the one who asks does not have.
    ///
    /// # Errors
    /// The API server does not say.
    pub(crate) async fn missing(&self, rights: Vec<Right>) -> Result<Vec<Right>, Error> {
        let api = self.global::<SelfSubjectAccessReview>();
        let asked = rights.into_iter().map(async |right| {
            let review = right.review();
            let answer = self.insist("ask for rights", async || {
                api.create(&PostParams::default(), &review).await
            });
            let allowed = answer.await?.status.is_some_and(|status| status.allowed);
            Ok::<_, Error>((!allowed).then_some(right))
        });
        Ok(try_join_all(asked).await?.into_iter().flatten().collect())
    }
}
