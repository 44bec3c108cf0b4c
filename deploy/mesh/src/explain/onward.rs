//! Where requests go on to.

use super::{headers, percent};
use crate::istio::{Retries, Rewrite};
use crate::{Forward, Mesh, Target};

/// A rule's destinations with their shares, and what holds on the way there.
pub(super) fn words(mesh: &Mesh, onward: &Forward, own: Option<&str>) -> String {
    let mut parts = vec![targets(mesh, onward, own)];
    parts.extend(onward.rewrite.as_ref().map(rewritten));
    parts.extend(onward.timeout.map(|timeout| format!("at most {timeout}")));
    parts.extend(onward.retries.as_ref().map(tries));
    for mirror in &onward.mirrors {
        let name = part(mesh, &mirror.service, mirror.subset.as_deref(), own);
        let share = percent(mirror.percentage.value);
        parts.push(format!("{share} copied to {name}"));
    }
    parts.join("; ")
}

fn targets(mesh: &Mesh, onward: &Forward, own: Option<&str>) -> String {
    let name = |target: &Target| {
        let name = part(mesh, &target.service, target.subset.as_deref(), own);
        let changes = headers(&target.headers);
        if changes.is_empty() {
            name
        } else {
            format!("{name} ({})", changes.join(", "))
        }
    };
    let taking: Vec<&Target> = onward.targets.iter().filter(|t| t.weight > 0).collect();
    if let [only] = taking.as_slice() {
        return name(only);
    }
    let sum: f64 = taking.iter().map(|target| f64::from(target.weight)).sum();
    let shares: Vec<String> = taking
        .iter()
        .map(|target| {
            let share = f64::from(target.weight) / sum;
            format!("{} {}", name(target), percent(share * 100.0))
        })
        .collect();
    shares.join(", ")
}

/// A part of a service; the service's own name is left out where it is clear.
fn part(mesh: &Mesh, fqdn: &str, subset: Option<&str>, own: Option<&str>) -> String {
    let service = mesh.services.get(fqdn);
    let service = service.map_or(fqdn, |host| host.service.name.as_str());
    match (subset, own == Some(fqdn)) {
        (Some(subset), true) => subset.to_owned(),
        (Some(subset), false) => format!("{service} {subset}"),
        (None, true) => "any instance".to_owned(),
        (None, false) => format!("any instance of {service}"),
    }
}

fn rewritten(rewrite: &Rewrite) -> String {
    let path = rewrite.uri.as_ref().map(|path| format!("path {path}"));
    let regex = rewrite.uri_regex_rewrite.as_ref();
    let regex = regex.map(|regex| format!("path by {} → {}", regex.pattern, regex.rewrite));
    let host = rewrite
        .authority
        .as_ref()
        .map(|host| format!("host {host}"));
    let to: Vec<String> = [path, regex, host].into_iter().flatten().collect();
    format!("asked for {}", to.join(" and "))
}

fn tries(retries: &Retries) -> String {
    if retries.attempts == 0 {
        return "never tried again".to_owned();
    }
    let mut words = format!("tried again up to {} times", retries.attempts);
    if let Some(timeout) = retries.per_try_timeout {
        words.push_str(&format!(", {timeout} each"));
    }
    if let Some(conditions) = &retries.retry_on {
        words.push_str(&format!(", on {conditions}"));
    }
    words
}
