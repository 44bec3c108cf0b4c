//! Names of hosts.

/// The longest part between two dots, and the longest name.
const LONGEST_PART: usize = 63;
const LONGEST_NAME: usize = 253;

/// One part of a name in DNS, as subsets are named too.
pub(super) fn is_domain_label(text: &str) -> bool {
    let letter = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    (1..=LONGEST_PART).contains(&text.len())
        && text.chars().all(letter)
        && !text.starts_with('-')
        && !text.ends_with('-')
}

/// A name in DNS, in small letters.
pub(super) fn is_domain(text: &str) -> bool {
    text.len() <= LONGEST_NAME && text.split('.').all(is_domain_label)
}

/// What a gateway takes in: `*`, or a full name, whose first part may be `*`.
pub(super) fn is_gateway_host(text: &str) -> bool {
    let text = text.to_ascii_lowercase();
    let inner = text.strip_prefix("*.").unwrap_or(&text);
    let full = text.contains('.') && is_domain(inner);
    text == "*" || full
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gateway_takes_in_full_names_and_all_below_one() {
        for host in [
            "*",
            "panel.example.com",
            "*.example.com",
            "*.com",
            "Panel.Example.com",
        ] {
            assert!(is_gateway_host(host), "{host}");
        }
        for host in [
            "",
            "localhost",
            "a b",
            "a.example.com:80",
            "a.*.com",
            "*example.com",
            "a..b",
        ] {
            assert!(!is_gateway_host(host), "{host}");
        }
    }
}
