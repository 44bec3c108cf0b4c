//! The rules in force in plain words, for people at a terminal and for the page.

mod conditions;
mod onward;
mod policy;

use super::{Action, Host, Mesh, Policies, Route};
use crate::istio::{Abort, Delay, Fault, HeaderOperations, Headers, Percent, Redirect};

/// What is in force for one host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostWords {
    /// Full name of a service; `<name> (from outside)` for what clients call at the ingress.
    pub host: String,
    /// The rules in the order in which they are looked at, then how instances are chosen.
    pub words: Vec<String>,
}

/// Says what is in force: calls from outside first, then every service in order of name.
pub fn explain(mesh: &Mesh) -> Vec<HostWords> {
    let ingress = mesh.ingress.iter().map(|host| HostWords {
        host: format!("{} (from outside)", host.host),
        words: rules(mesh, &host.routes, None),
    });
    let services = mesh.services.iter().map(|(fqdn, host)| HostWords {
        host: fqdn.clone(),
        words: service(mesh, fqdn, host),
    });
    ingress.chain(services).collect()
}

fn service(mesh: &Mesh, fqdn: &str, host: &Host) -> Vec<String> {
    let mut words = if host.routes.is_empty() {
        vec!["every request → any instance".to_owned()]
    } else {
        rules(mesh, &host.routes, Some(fqdn))
    };
    put_policies(&mut words, "any instance", &host.policies);
    for subset in &host.subsets {
        let labels: Vec<String> = subset
            .labels
            .iter()
            .map(|(key, value)| format!("{key}={value}"))
            .collect();
        let name = format!("{} ({})", subset.name, labels.join(", "));
        put_policies(&mut words, &name, &subset.policies);
    }
    words
}

/// One line for the part as a whole, and one for each port that is treated differently.
fn put_policies(words: &mut Vec<String>, name: &str, policies: &Policies) {
    words.push(format!("{name}: {}", policy::words(&policies.general)));
    for (port, policy) in &policies.ports {
        words.push(format!("{name}, port {port}: {}", policy::words(policy)));
    }
}

/// One line a rule. Targets of the host itself are called by their subset alone.
fn rules(mesh: &Mesh, routes: &[Route], own: Option<&str>) -> Vec<String> {
    routes
        .iter()
        .map(|route| {
            let mut parts = vec![action(mesh, &route.action, own)];
            parts.extend(route.fault.iter().flat_map(faults));
            parts.extend(headers(&route.headers));
            if route.cors.is_some() {
                parts.push("pages of other origins are told what they may".to_owned());
            }
            let when = conditions::words(&route.matches);
            format!("{when} → {}", parts.join("; "))
        })
        .collect()
}

fn action(mesh: &Mesh, action: &Action, own: Option<&str>) -> String {
    match action {
        Action::Forward(onward) => onward::words(mesh, onward, own),
        Action::Redirect(redirect) => redirected(redirect),
        Action::Respond { status, body } if body.is_empty() => format!("answered {status}"),
        Action::Respond { status, body } => format!("answered {status} “{body}”"),
    }
}

fn redirected(redirect: &Redirect) -> String {
    let parts = [
        ("scheme", &redirect.scheme),
        ("host", &redirect.authority),
        ("path", &redirect.uri),
        ("prefix", &redirect.prefix_rewrite),
    ];
    let parts = parts
        .into_iter()
        .filter_map(|(what, to)| Some(format!("{what} {}", to.as_ref()?)));
    let port = redirect.port.map(|port| format!("port {port}"));
    let to: Vec<String> = parts.chain(port).collect();
    let code = redirect.redirect_code.unwrap_or(301);
    format!("sent to {} ({code})", to.join(", "))
}

fn faults(fault: &Fault) -> Vec<String> {
    let delay = fault.delay.as_ref().map(delayed);
    let abort = fault.abort.as_ref().map(aborted);
    delay.into_iter().chain(abort).collect()
}

/// Istio: a fault without a share is for no request.
fn delayed(delay: &Delay) -> String {
    let old = f64::from(delay.percent.unwrap_or(0));
    let share = delay.percentage.map_or(old, |percentage| percentage.value);
    format!("{} wait {} first", percent(share), delay.fixed_delay)
}

fn aborted(abort: &Abort) -> String {
    let share = abort.percentage.map_or(0.0, |Percent { value }| value);
    let status = match (abort.http_status, abort.grpc_status) {
        (_, Some(status)) => format!("gRPC status {}", status as u32),
        (status, None) => status.unwrap_or_default().to_string(),
    };
    format!("{} fail with {status}", percent(share))
}

/// What happens to headers, each kind of change once.
fn headers(headers: &Headers) -> Vec<String> {
    let sides = [("request", &headers.request), ("answer", &headers.response)];
    sides
        .into_iter()
        .flat_map(|(side, operations)| header_operations(side, operations))
        .collect()
}

fn header_operations(side: &str, operations: &HeaderOperations) -> Vec<String> {
    let assigned = |values: &std::collections::BTreeMap<String, String>| -> Vec<String> {
        let pairs = values.iter();
        pairs
            .map(|(name, value)| format!("{name}={value}"))
            .collect()
    };
    let changes = [
        ("sets", assigned(&operations.set)),
        ("adds", assigned(&operations.add)),
        ("removes", operations.remove.clone()),
    ];
    let changes = changes.into_iter().filter(|(_, names)| !names.is_empty());
    changes
        .map(|(verb, names)| format!("{verb} {} of the {side}", names.join(", ")))
        .collect()
}

/// As few digits as tell it from its neighbours: `50 %`, `0.1 %`, `33.3333 %`.
fn percent(value: f64) -> String {
    let text = format!("{value:.4}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    format!("{text} %")
}

#[cfg(test)]
mod tests {
    use super::percent;

    #[test]
    fn percentages_have_no_needless_digits() {
        assert_eq!(percent(50.0), "50 %");
        assert_eq!(percent(0.1), "0.1 %");
        assert_eq!(percent(100.0 / 3.0), "33.3333 %");
        assert_eq!(percent(100.0), "100 %");
        assert_eq!(percent(0.0), "0 %");
    }
}
