//! Whether the new version keeps up with the running one.
//!
//! | criterion | falls behind | keeps up |
//! |---|---|---|
//! | errors | Fisher's exact test, one-sided: its error share is larger | not so, and both answered enough requests |
//! | p99 | its p99 is beyond the limit, *and* (same test) more of its answers are | the same |
//! | what it says | exact binomial test: this step's match rate is below the one wanted | the rate of all steps is above it |
//!
//! The limit is the least measured bound from `slowdown` × the running version's p99 on, and from 20 ms above it. Several looks and several criteria share the chance
//! of a wrong verdict, see [`Plan::harm_risk`] and [`Plan::pass_risk`]. What two versions say about a picture does not
//! hang on their weights, so it is shown by all steps together; errors and times do, so every step shows its own.

use std::time::Duration;

use serde::Serialize;

use super::agreement::{Agreement, Share};
use super::figures::Figures;
use super::fisher;
use super::plan::{Plan, Point, Service};
use crate::statistics::binomial;

/// A p99 that is longer by less is not held against a version, whatever the factor: it is the noise of a busy machine.
const NOTICEABLE: Duration = Duration::from_millis(20);

/// What is said of the new version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Verdict {
    /// There is evidence that it is no worse than agreed.
    KeepsUp,
    /// Neither is there evidence yet.
    NotShown,
    /// There is evidence that it is worse.
    FallsBehind,
}

/// What is said of it on one criterion, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Finding {
    pub(super) criterion: String,
    /// The running version's figure.
    pub(super) old: String,
    /// The new version's.
    pub(super) new: String,
    pub(super) verdict: Verdict,
    /// In a few words, unless it keeps up.
    pub(super) reason: String,
}

/// What the verdict is about.
#[derive(Debug, Clone, Copy)]
pub(super) struct Evidence<'a> {
    pub(super) old: &'a Figures,
    pub(super) new: &'a Figures,
    /// Of this step.
    pub(super) agreement: &'a Agreement,
    /// Of all steps, this one with them.
    pub(super) agreement_of_all: &'a Agreement,
}

/// The worst of what is found.
pub(super) fn verdict(findings: &[Finding]) -> Verdict {
    let verdicts = findings.iter().map(|finding| finding.verdict);
    verdicts.max().unwrap_or(Verdict::NotShown)
}

/// The reasons of everything that is found like this.
pub(super) fn reasons(findings: &[Finding], verdict: Verdict) -> String {
    let alike = findings.iter().filter(|finding| finding.verdict == verdict);
    let said = alike.map(|finding| format!("{}: {}", finding.criterion, finding.reason));
    let reasons: Vec<String> = said.collect();
    reasons.join("; ")
}

/// Looks at everything by which `service` is judged.
pub(super) fn judge(plan: &Plan, service: Service, evidence: Evidence<'_>) -> Vec<Finding> {
    let points = service.points();
    let judge = Judge {
        plan,
        harm_risk: plan.harm_risk(2 + points.len()),
        pass_risk: plan.pass_risk(),
        evidence,
    };
    let mut findings = vec![judge.errors(), judge.times()];
    findings.extend(points.iter().map(|point| judge.point(*point)));
    findings
}

struct Judge<'a> {
    plan: &'a Plan,
    harm_risk: f64,
    pass_risk: f64,
    evidence: Evidence<'a>,
}

impl Judge<'_> {
    fn errors(&self) -> Finding {
        let Evidence { old, new, .. } = self.evidence;
        let chance = fisher::excess(new.errors, new.requests, old.errors, old.requests);
        let count = |figures: &Figures| format!("{} of {}", figures.errors, figures.requests);
        let (verdict, reason) = if chance <= self.harm_risk {
            let reason = format!(
                "{} against {}; chance explains that with p = {chance:.1e}",
                count(new),
                count(old)
            );
            (Verdict::FallsBehind, reason)
        } else {
            self.enough("requests", old.requests, new.requests)
        };
        Finding {
            criterion: "errors".to_owned(),
            old: count(old),
            new: count(new),
            verdict,
            reason,
        }
    }

    fn times(&self) -> Finding {
        let (old, new) = (&self.evidence.old.times, &self.evidence.new.times);
        let allowed = |p99: Duration| p99.mul_f64(self.plan.slowdown).max(p99 + NOTICEABLE);
        let limit = old.p99().map(allowed);
        let limit = limit.and_then(|limit| old.bound_from(limit));
        let behind = limit.filter(|limit| new.p99().is_none_or(|p99| p99 > *limit));
        let behind = behind.filter(|limit| {
            let (slow, slow_before) = (new.slower_than(*limit), old.slower_than(*limit));
            fisher::excess(slow, new.count(), slow_before, old.count()) <= self.harm_risk
        });
        let (verdict, reason) = match behind {
            Some(limit) => {
                let reason = format!(
                    "{} of {} answers took longer than {limit:?}, against {} of {}",
                    new.slower_than(limit),
                    new.count(),
                    old.slower_than(limit),
                    old.count()
                );
                (Verdict::FallsBehind, reason)
            }
            None => self.enough("answers", old.count(), new.count()),
        };
        Finding {
            criterion: "p99".to_owned(),
            old: bound(old.p99(), old.count()),
            new: bound(new.p99(), new.count()),
            verdict,
            reason,
        }
    }

    /// Whether so many were counted that the absence of evidence means something.
    fn enough(&self, what: &str, old: u64, new: u64) -> (Verdict, String) {
        let least = self.plan.least_requests;
        if old.min(new) >= least {
            return (Verdict::KeepsUp, String::new());
        }
        let reason = format!("{old} and {new} {what} of at least {least} each");
        (Verdict::NotShown, reason)
    }

    fn point(&self, point: Point) -> Finding {
        let rate = self.plan.match_rate;
        let here = self.evidence.agreement.on(point);
        let all = self.evidence.agreement_of_all.on(point);
        // `binomial` shares its error between both ends; each test here looks at one.
        let harm = binomial(here.of, rate, 2.0 * self.harm_risk);
        let pass = binomial(all.of, rate, 2.0 * self.pass_risk);
        let percent = 100.0 * rate;
        let (verdict, reason) = if here.agreed < *harm.start() {
            let reason = format!(
                "the same in {} of {}, less than {percent} %",
                here.agreed, here.of
            );
            (Verdict::FallsBehind, reason)
        } else if all.agreed > *pass.end() {
            (Verdict::KeepsUp, String::new())
        } else {
            let least = least(rate, self.pass_risk);
            let reason = format!(
                "the same in {} of {}; {percent} % is not shown (at least {least} are needed)",
                all.agreed, all.of
            );
            (Verdict::NotShown, reason)
        };
        Finding {
            criterion: point.to_string(),
            old: String::new(),
            new: same(here, all),
            verdict,
            reason,
        }
    }
}

fn bound(p99: Option<Duration>, count: u64) -> String {
    match p99 {
        _ if count == 0 => "-".to_owned(),
        Some(p99) => format!("≤ {p99:?}"),
        None => "longer than measured".to_owned(),
    }
}

/// Of this step and, where they say more, of all steps.
fn same(here: Share, all: Share) -> String {
    let same = format!("{} of {} the same", here.agreed, here.of);
    if here == all {
        same
    } else {
        format!("{same}, {} of {} in all", all.agreed, all.of)
    }
}

/// How many must be compared, all the same, to show a match rate above `rate`.
#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "some tens to thousands"
)]
fn least(rate: f64, risk: f64) -> u64 {
    (risk.ln() / rate.ln()).ceil() as u64
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::super::figures::Times;
    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        plan: Plan,
    }

    fn plan() -> Plan {
        Line::parse_from(["rollout", "--to", "v2"]).plan
    }

    fn figures(requests: u64, errors: u64, quick: u64) -> Figures {
        let times: Times = [(50, quick), (100, requests), (0, requests)]
            .into_iter()
            .collect();
        Figures {
            requests,
            errors,
            times,
        }
    }

    fn agreement(point: Point, agreed: u64, of: u64) -> Agreement {
        serde_json::from_value(serde_json::json!({
            "pairs": of,
            "points": { point.to_string(): { "agreed": agreed, "of": of } },
        }))
        .expect("an agreement")
    }

    fn cpanel(old: &Figures, new: &Figures) -> Vec<Finding> {
        let none = Agreement::default();
        let evidence = Evidence {
            old,
            new,
            agreement: &none,
            agreement_of_all: &none,
        };
        judge(&plan(), Service::Cpanel, evidence)
    }

    fn names(here: (u64, u64), all: (u64, u64)) -> Finding {
        let sound = figures(100, 0, 100);
        let evidence = Evidence {
            old: &sound,
            new: &sound,
            agreement: &agreement(Point::Names, here.0, here.1),
            agreement_of_all: &agreement(Point::Names, all.0, all.1),
        };
        let mut findings = judge(&plan(), Service::FaceRecognition, evidence);
        findings.remove(2)
    }

    #[test]
    fn a_version_that_fails_is_found_by_a_few_requests() {
        let running = figures(500, 0, 500);
        let found = cpanel(&running, &figures(3, 3, 3));
        assert_eq!(verdict(&found), Verdict::FallsBehind);
        let said = reasons(&found, Verdict::FallsBehind);
        assert!(
            said.starts_with("errors: 3 of 3 against 0 of 500"),
            "{said}"
        );
        // One failure may be chance, and so few requests are no evidence of the contrary.
        let found = cpanel(&running, &figures(5, 1, 5));
        assert_eq!(verdict(&found), Verdict::NotShown);
        assert_eq!(
            verdict(&cpanel(&running, &figures(20, 0, 20))),
            Verdict::KeepsUp
        );
    }

    #[test]
    fn a_version_is_not_blamed_for_what_happens_to_both() {
        let both = figures(200, 60, 200);
        assert_eq!(verdict(&cpanel(&both, &both)), Verdict::KeepsUp);
    }

    #[test]
    fn a_slow_version_is_found() {
        let running = figures(500, 0, 499);
        let slow = figures(50, 0, 20);
        // 100 ms is the limit, the least bound from 1.5 × 50 ms on: what keeps it is no fall behind.
        assert_eq!(verdict(&cpanel(&running, &slow)), Verdict::KeepsUp);
        let times: Times = [(50, 20), (100, 30), (0, 50)].into_iter().collect();
        let slower = Figures { times, ..slow };
        let found = cpanel(&running, &slower);
        assert_eq!(found[1].verdict, Verdict::FallsBehind);
        assert_eq!(
            found[1].reason,
            "20 of 50 answers took longer than 100ms, against 0 of 500"
        );
    }

    #[test]
    fn agreement_must_be_shown_and_disagreement_is_seen_early() {
        assert_eq!(names((0, 0), (0, 0)).verdict, Verdict::NotShown);
        assert_eq!(names((0, 5), (0, 5)).verdict, Verdict::FallsBehind);
        let least = least(0.9, plan().pass_risk());
        assert_eq!(least, 66);
        assert_eq!(names((65, 65), (65, 65)).verdict, Verdict::NotShown);
        assert_eq!(names((66, 66), (66, 66)).verdict, Verdict::KeepsUp);
    }

    #[test]
    fn agreement_of_earlier_steps_counts_and_hides_nothing() {
        assert_eq!(names((1, 1), (200, 200)).verdict, Verdict::KeepsUp);
        assert_eq!(names((0, 6), (200, 206)).verdict, Verdict::FallsBehind);
    }
}
