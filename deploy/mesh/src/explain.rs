//! The rules in force in plain words, for people at a terminal and for the page.

mod conditions;
mod policy;

use super::{Action, Forward, Host, Mesh, Route, Target};

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
    words.push(format!(
        "any instance: {}",
        policy::words(&host.policies.general)
    ));
    for subset in &host.subsets {
        let labels: Vec<String> = subset
            .labels
            .iter()
            .map(|(key, value)| format!("{key}={value}"))
            .collect();
        words.push(format!(
            "{} ({}): {}",
            subset.name,
            labels.join(", "),
            policy::words(&subset.policies.general)
        ));
    }
    words
}

/// One line a rule. Targets of the host itself are called by their subset alone.
fn rules(mesh: &Mesh, routes: &[Route], own: Option<&str>) -> Vec<String> {
    routes
        .iter()
        .map(|route| {
            let when = conditions::words(&route.matches);
            format!("{when} → {}", action(mesh, &route.action, own))
        })
        .collect()
}

fn action(mesh: &Mesh, action: &Action, own: Option<&str>) -> String {
    match action {
        Action::Forward(onward) => forward(mesh, onward, own),
        Action::Redirect(_) => "sent elsewhere".to_owned(),
        Action::Respond { status, body } if body.is_empty() => format!("answered {status}"),
        Action::Respond { status, body } => format!("answered {status} “{body}”"),
    }
}

fn forward(mesh: &Mesh, onward: &Forward, own: Option<&str>) -> String {
    let name = |target: &Target| target_name(mesh, target, own);
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

fn target_name(mesh: &Mesh, target: &Target, own: Option<&str>) -> String {
    let service = mesh.services.get(&target.service);
    let service = service.map_or(target.service.as_str(), |host| host.service.name.as_str());
    match (&target.subset, own == Some(target.service.as_str())) {
        (Some(subset), true) => subset.clone(),
        (Some(subset), false) => format!("{service} {subset}"),
        (None, true) => "any instance".to_owned(),
        (None, false) => format!("any instance of {service}"),
    }
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
    }
}
