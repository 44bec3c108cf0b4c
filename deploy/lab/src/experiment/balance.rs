//! How an instance is chosen: in turn, by chance, by what it has to do, by a key.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use anyhow::{Context, Result};

use super::{Check, Experiment, Lab, Unit, part};
use crate::load::{Connection, Options};
use crate::platform::Platform;

/// Instances of v2; with the one of v1 there are four.
const V2: u32 = 3;
const INSTANCES: u32 = 1 + V2;
/// Answers in one burst: ten rounds. A burst takes milliseconds, so that seldom anybody else is served in between.
const BURST: u32 = 10 * INSTANCES;
/// Bursts in which nobody else was served.
const BURSTS: usize = 5;
/// Bursts that are tried, with others at work.
const TRIED: usize = 50;
/// So many that a quarter is told from a fifth.
const BY_CHANCE: u32 = 1000;
/// Load for the slow instance, by so many clients: each other instance has idle moments.
const BUSY: u32 = 400;
const CLIENTS: u32 = 8;
/// A hundred times as long as the others take, on a busy machine some ten times.
const SLOW: Duration = Duration::from_millis(250);
/// Keys on the ring.
const KEYS: u32 = 300;
/// How often each key asks.
const ASKS: usize = 3;

pub(super) fn experiments<P: Platform>() -> Vec<Experiment<P>> {
    vec![
        Experiment::new("round_robin", "v1 : v2 is 1 : 3, strictly in turn", |lab| {
            Box::pin(round_robin(lab))
        })
        .also(&["load_balancing"]),
        Experiment::new("random", "v1 : v2 is about 1 : 3, in no order", |lab| {
            Box::pin(random(lab))
        }),
        Experiment::new(
            "least_request",
            "a slow instance gets fewer requests",
            |lab| Box::pin(least_request(lab)),
        ),
        Experiment::new(
            "ring_hash",
            "one key, one instance; one instance more moves few keys",
            |lab| Box::pin(ring_hash(lab)),
        ),
    ]
}

async fn four_instances<P: Platform>(lab: &mut Lab<'_, P>) -> Result<()> {
    lab.scale("cpanel-v1", 1).await?;
    lab.scale("cpanel-v2", V2).await
}

/// In turn means for each worker of the proxy by itself: one connection is served by one worker. Who else is served by that
/// worker takes a turn as well, so only bursts count in which nobody else was.
async fn round_robin<P: Platform>(lab: &mut Lab<'_, P>) -> Result<()> {
    four_instances(lab).await?;
    lab.apply("round_robin").await?;
    let load = Options::requests("/status", BURST);
    let (mut bursts, mut answers, mut out_of_turn, mut v1) = (0, 0, 0, 0);
    for _ in 0..TRIED {
        let before = lab.proxy_count_at("cpanel", 8080, REQUESTS).await?;
        let tally = lab.drive(&load).await?;
        let served = lab.proxy_count_at("cpanel", 8080, REQUESTS).await? - before;
        if served == u64::from(BURST) {
            let order: Vec<Option<&str>> = tally
                .samples()
                .iter()
                .map(|s| s.instance.as_deref())
                .collect();
            bursts += 1;
            answers += tally.requests();
            out_of_turn += misplaced(&order);
            v1 += tally.of_version("v1");
        }
        if bursts == BURSTS {
            break;
        }
    }
    say!("   {bursts} bursts of {BURST} × GET /status on one connection each\n");
    lab.check(Check::count(
        "bursts in which nobody else was served",
        bursts as u64,
        BURSTS as u64..,
    ));
    lab.check(Check::count("answers out of turn", out_of_turn, 0..=0));
    let share = part(v1, answers);
    lab.check(Check::new(
        "answered by v1",
        Unit::Share,
        share,
        0.25..=0.25,
    ));
    Ok(())
}

/// What the proxy counts of requests to a cluster.
const REQUESTS: &str = "upstream_rq_total";

/// Answers that do not continue the turn: the first round names each instance once, every later answer repeats the one a
/// round before.
fn misplaced(order: &[Option<&str>]) -> u64 {
    let round = INSTANCES as usize;
    let first: BTreeSet<_> = order.iter().take(round).flatten().collect();
    let missing = round - first.len();
    let turns = order.iter().zip(order.iter().skip(round));
    (missing + turns.filter(|(before, now)| before != now).count()) as u64
}

async fn random<P: Platform>(lab: &mut Lab<'_, P>) -> Result<()> {
    four_instances(lab).await?;
    lab.apply("random").await?;
    let quarter = 1.0 / f64::from(INSTANCES);
    let load = Options::requests("/status", BY_CHANCE);
    let tally = lab
        .load(&load, &[("v1", quarter), ("v2", 1.0 - quarter)])
        .await?;
    let whole = tally.requests();
    lab.check(Check::share(
        "answered by v1",
        tally.of_version("v1"),
        whole,
        quarter,
    ));
    // In turn nobody answers twice in a row; by chance every fourth answer repeats the one before.
    let pairs = tally.samples().windows(2);
    let repeated = pairs
        .filter(|pair| pair[0].instance == pair[1].instance)
        .count();
    lab.check(Check::share(
        "the same instance twice in a row",
        repeated as u64,
        whole - 1,
        quarter,
    ));
    lab.check(Check::count("requests that failed", tally.errors(), 0..=0));
    Ok(())
}

async fn least_request<P: Platform>(lab: &mut Lab<'_, P>) -> Result<()> {
    four_instances(lab).await?;
    lab.apply("least_request").await?;
    let slow = lab.ready("cpanel").await?.pop().context("no panel")?.name;
    lab.set_slow(&slow, SLOW).await?;
    let tally = lab
        .load(&Options::requests("/status", BUSY).by(CLIENTS), &[])
        .await?;
    let (hits, whole) = (tally.of_instance(&slow), tally.requests());
    let equal = 1.0 / f64::from(INSTANCES);
    let what = format!("answered by {slow}, {} ms late", SLOW.as_millis());
    lab.check(Check::share_below_chance(what, hits, whole, equal));
    lab.check(Check::shown("its equal share would be", Unit::Share, equal));
    lab.check(Check::count("requests that failed", tally.errors(), 0..=0));
    Ok(())
}

/// Instances that answered for each key.
type Owners = BTreeMap<u32, BTreeSet<String>>;

async fn ring_hash<P: Platform>(lab: &mut Lab<'_, P>) -> Result<()> {
    four_instances(lab).await?;
    lab.apply("ring_hash").await?;
    let before = owners(lab, ASKS).await?;
    let shared = before.values().filter(|owners| owners.len() != 1).count();
    lab.check(Check::count(
        "keys with more than one instance",
        shared as u64,
        0..=0,
    ));
    let used: BTreeSet<&String> = before.values().flatten().collect();
    lab.check(Check::count(
        "instances with keys",
        used.len() as u64,
        u64::from(INSTANCES)..,
    ));

    let known = lab.ready("cpanel").await?;
    lab.scale("cpanel-v2", V2 + 1).await?;
    let mut all = lab.ready("cpanel").await?.into_iter();
    let newest = all.find(|one| known.iter().all(|known| known.name != one.name));
    let newest = newest.context("no new instance")?.name;
    let with_one_more = owners(lab, 1).await?;
    let gained = with_one_more
        .values()
        .filter(|owners| owners.contains(&newest));
    lab.check(Check::count(
        format!("keys of the new {newest}"),
        gained.count() as u64,
        1..,
    ));
    let moved = moved(&before, &with_one_more);
    lab.check(Check::share_at_most(
        "keys that it moved",
        moved,
        KEYS.into(),
        moving_share(),
    ));
    let modulo = f64::from(INSTANCES) / f64::from(INSTANCES + 1);
    lab.check(Check::shown(
        "hashing without a ring would move",
        Unit::Share,
        modulo,
    ));

    lab.scale("cpanel-v2", V2).await?;
    let after = owners(lab, 1).await?;
    let astray = self::moved(&before, &after);
    lab.check(Check::count("keys not back in their place", astray, 0..=0));
    Ok(())
}

fn moved(before: &Owners, after: &Owners) -> u64 {
    let moved = before
        .iter()
        .filter(|(key, owners)| after.get(key) != Some(owners));
    moved.count() as u64
}

/// How many keys an instance that comes to `n` others moves. A ring of fixed size has `1/(n+1)` of its points for it, and
/// as many fewer for the others: every `n+1`-th of their points is gone. A key goes elsewhere when the next
/// point on its way is new, or is gone and the one behind it belongs to another.
fn moving_share() -> f64 {
    let n = f64::from(INSTANCES);
    let new = 1.0 / (n + 1.0);
    // Of the points old and new together: the new ones, and those that are gone.
    let (first_new, first_gone) = (new / (1.0 + new), new / (1.0 + new));
    let elsewhere = new + (1.0 - new) * (n - 1.0) / n;
    first_new + first_gone * elsewhere
}

/// Asks so often for each key.
async fn owners<P: Platform>(lab: &Lab<'_, P>, asks: usize) -> Result<Owners> {
    let mut connection = Connection::new(lab.platform().entrance(), Duration::from_secs(10))?;
    let mut owners = Owners::new();
    for _ in 0..asks {
        for key in 0..KEYS {
            let header = ("x-camera-id".to_owned(), format!("camera-{key}"));
            let answer = connection.get("/status", &[header]).await?;
            let instance = answer.header("x-airside-instance").unwrap_or("(the mesh)");
            owners.entry(key).or_default().insert(instance.to_owned());
        }
    }
    say!(
        "   {} × GET /status, x-camera-id: camera-0 … camera-{}",
        asks * KEYS as usize,
        KEYS - 1
    );
    Ok(owners)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_turn_names_everybody_and_repeats() {
        let turn = |text: &'static str| -> Vec<Option<&'static str>> {
            text.split(' ').map(Some).collect()
        };
        assert_eq!(misplaced(&turn("a b c d a b c d a b")), 0);
        assert_eq!(misplaced(&turn("a b c c a b c c")), 1);
        assert_eq!(misplaced(&turn("a b c d a c b d")), 2);
        assert_eq!(misplaced(&[None; 8]), 4);
    }

    #[test]
    fn a_ring_moves_a_third_and_not_four_fifths() {
        let share = moving_share();
        assert!((0.25..0.35).contains(&share), "{share}");
    }

    #[test]
    fn a_key_moved_when_its_instance_is_another() {
        let owners = |pairs: &[(u32, &str)]| -> Owners {
            let pairs = pairs.iter();
            pairs
                .map(|(key, owner)| (*key, BTreeSet::from([(*owner).to_owned()])))
                .collect()
        };
        let before = owners(&[(0, "a"), (1, "b")]);
        assert_eq!(moved(&before, &before), 0);
        assert_eq!(moved(&before, &owners(&[(0, "a"), (1, "c")])), 1);
    }
}
