//! Rollouts on a mesh in memory, in simulated time.

use tempfile::TempDir;

use super::super::trial::{Manners, Simulated, Trial, documents, plan, plan_of};
use super::*;

const ANALYSIS: &str = include_str!("../../../../istio/default/image-analysis.yaml");
const PANEL: &str = include_str!("../../../../istio/default/cpanel.yaml");

struct Bench {
    mesh: Trial,
    desk: Desk,
    service: Service,
    _directory: TempDir,
}

impl Bench {
    fn new(service: Service) -> Self {
        let rules = match service {
            Service::Cpanel => PANEL.to_owned(),
            other => ANALYSIS.replace("image-analysis", other.name()),
        };
        let directory = tempfile::tempdir().expect("a directory");
        Self {
            mesh: Trial::new(service.name(), &rules),
            desk: Desk::open(directory.path()).expect("opened"),
            service,
            _directory: directory,
        }
    }

    fn means(&self) -> Means<'_, Trial, Simulated> {
        Means {
            platform: &self.mesh,
            desk: &self.desk,
            clock: &self.mesh.clock,
            screen: Screen::Off,
        }
    }

    async fn prepared(&self, plan: Plan) -> Runner<'_, Trial, Simulated> {
        let runner = Runner::prepare(self.means(), self.service, plan);
        runner.await.expect("prepared")
    }

    async fn run(&self) -> Ending {
        let runner = self.prepared(plan("v2")).await;
        runner.run(None).await.expect("carried out")
    }

    fn state(&self) -> State {
        self.desk.state().expect("readable").expect("there")
    }

    fn resumed(&self) -> Runner<'_, Trial, Simulated> {
        Runner::go_on(self.means(), self.state())
    }

    /// Shares in the order of the decisions.
    fn shares(&self) -> Vec<u64> {
        let text = std::fs::read_to_string(self.desk.decisions()).expect("decisions");
        let lines = text.lines().map(|line| {
            let decision: serde_json::Value = serde_json::from_str(line).expect("JSON");
            decision["share"].as_u64().expect("a share")
        });
        let mut shares: Vec<u64> = lines.collect();
        shares.dedup();
        shares
    }
}

#[tokio::test]
async fn an_equal_version_gets_everything_step_by_step() {
    for service in Service::ALL {
        let bench = Bench::new(service);
        assert_eq!(
            bench.run().await,
            Ending::Completed,
            "{}",
            bench.state().reason
        );
        assert_eq!(bench.shares(), [10, 50, 100]);
        assert_eq!(bench.mesh.split(), (100, None));
        // Started with as many instances as the version before.
        assert_eq!(bench.mesh.replicas("v2"), 2);
        assert_eq!(bench.state().phase, Phase::Completed);
    }
}

#[tokio::test]
async fn a_version_that_falls_behind_is_taken_back_at_the_first_step() {
    let fails = Manners {
        fails_every: Some(2),
        ..Manners::default()
    };
    let blind = Manners {
        is_blind: true,
        ..Manners::default()
    };
    let slow = Manners {
        is_slow: true,
        ..Manners::default()
    };
    for (service, manners, said) in [
        (Service::Cpanel, fails, "errors"),
        (Service::Cpanel, slow, "p99"),
        (Service::ImageAnalysis, blind, "faces"),
        (Service::FaceRecognition, blind, "names"),
    ] {
        let bench = Bench::new(service);
        bench.mesh.behave(manners);
        assert_eq!(bench.run().await, Ending::RolledBack);
        assert_eq!(bench.shares(), [10, 0]);
        assert_eq!(
            (bench.mesh.split(), bench.mesh.replicas("v2")),
            ((0, None), 0)
        );
        let reason = bench.state().reason;
        assert!(
            reason.starts_with(&format!("v2 falls behind: {said}")),
            "{reason}"
        );
    }
}

#[tokio::test]
async fn a_version_that_falls_behind_later_is_taken_back_later() {
    let bench = Bench::new(Service::ImageAnalysis);
    let running = bench.prepared(plan("v2")).await.run(None);
    let spoil = async {
        while bench.mesh.split().0 < 50 {
            bench.mesh.clock.sleep(ORDER_POLL).await;
        }
        bench.mesh.behave(Manners {
            is_blind: true,
            ..Manners::default()
        });
    };
    let (ending, ()) = tokio::join!(running, spoil);
    assert_eq!(ending.expect("carried out"), Ending::RolledBack);
    assert_eq!(bench.shares(), [10, 50, 0]);
}

#[tokio::test]
async fn without_traffic_nothing_is_shown_and_the_wait_has_an_end() {
    let bench = Bench::new(Service::Cpanel);
    bench.mesh.silence();
    let begun = bench.mesh.clock.now();
    assert_eq!(bench.run().await, Ending::RolledBack);
    assert_eq!((bench.mesh.clock.now() - begun).as_secs(), 100);
    let reason = bench.state().reason;
    assert!(
        reason.contains("nothing is shown within 100s: errors: 0 and 0 requests of at least 20"),
        "{reason}"
    );
}

#[tokio::test]
async fn a_version_without_instances_is_taken_back_at_once() {
    let bench = Bench::new(Service::Cpanel);
    let running = bench.prepared(plan("v2")).await.run(None);
    let die = async {
        bench.mesh.clock.sleep(Duration::from_secs(3)).await;
        bench.mesh.set_replicas("v2", 0);
    };
    let (ending, ()) = tokio::join!(running, die);
    assert_eq!(ending.expect("carried out"), Ending::RolledBack);
    assert_eq!(bench.state().reason, "v2 has no ready instance");
}

#[tokio::test]
async fn rules_of_somebody_else_are_left_alone() {
    let bench = Bench::new(Service::Cpanel);
    let running = bench.prepared(plan("v2")).await.run(None);
    let theirs = PANEL.replace("weight: 100", "weight: 77");
    let meddle = async {
        bench.mesh.clock.sleep(Duration::from_secs(3)).await;
        bench.mesh.put(documents(&theirs));
    };
    let (ending, ()) = tokio::join!(running, meddle);
    let error = ending.expect_err("stopped").to_string();
    assert!(
        error.contains("the rules of cpanel are not the rollout's any more"),
        "{error}"
    );
    assert!(bench.resumed().run(None).await.is_err());
    // What is aborted then ends without touching them.
    let aborted = bench.resumed().run(Some(Order::Abort)).await;
    assert_eq!(aborted.expect("ended"), Ending::Abandoned);
    assert_eq!(
        bench.mesh.documents().await.expect("rules"),
        documents(&theirs)
    );
}

#[tokio::test]
async fn a_killed_rollout_goes_on_where_it_was() {
    let bench = Bench::new(Service::ImageAnalysis);
    let running = bench.prepared(plan("v2")).await.run(None);
    // Dropped in the middle of the second step, as a kill does it.
    tokio::select! {
        ending = running => panic!("not yet: {ending:?}"),
        () = bench.mesh.clock.sleep(Duration::from_secs(15)) => {}
    }
    assert_eq!((bench.state().step, bench.mesh.split().0), (1, 50));
    // The mesh was started anew as well: default rules, no instance of the new version.
    bench.mesh.put(documents(ANALYSIS));
    bench.mesh.set_replicas("v2", 0);
    let ending = bench.resumed().run(None).await;
    assert_eq!(ending.expect("carried out"), Ending::Completed);
    assert_eq!(bench.shares(), [10, 50, 100]);
}

#[tokio::test]
async fn a_mesh_that_is_away_for_a_while_is_waited_for() {
    let bench = Bench::new(Service::Cpanel);
    let running = bench.prepared(plan("v2")).await.run(None);
    let leave = async {
        bench.mesh.clock.sleep(Duration::from_secs(3)).await;
        bench.mesh.leave(true);
        bench.mesh.clock.sleep(Duration::from_secs(20)).await;
        bench.mesh.leave(false);
    };
    let (ending, ()) = tokio::join!(running, leave);
    assert_eq!(ending.expect("carried out"), Ending::Completed);

    let bench = Bench::new(Service::Cpanel);
    let running = bench.prepared(plan("v2")).await.run(None);
    let leave = async {
        bench.mesh.clock.sleep(Duration::from_secs(3)).await;
        bench.mesh.leave(true);
    };
    let (ending, ()) = tokio::join!(running, leave);
    let error = ending.expect_err("stopped").to_string();
    assert!(error.contains("v2 stays at 10 %"), "{error}");
    assert_eq!(bench.state().phase, Phase::Judging);
}

#[tokio::test]
async fn orders_are_obeyed() {
    let bench = Bench::new(Service::Cpanel);
    let running = bench.prepared(plan("v2")).await.run(None);
    let orders = async {
        bench.mesh.clock.sleep(Duration::from_secs(2)).await;
        bench.desk.leave(Order::Pause).expect("left");
        bench.mesh.clock.sleep(Duration::from_secs(120)).await;
        assert_eq!(
            (bench.state().phase, bench.mesh.split().0),
            (Phase::Paused, 10)
        );
        bench.desk.leave(Order::Resume).expect("left");
        bench.mesh.clock.sleep(Duration::from_secs(2)).await;
        assert_eq!(bench.state().phase, Phase::Judging);
        bench.desk.leave(Order::Promote).expect("left");
    };
    let (ending, ()) = tokio::join!(running, orders);
    assert_eq!(
        (ending.expect("carried out"), bench.mesh.split().0),
        (Ending::Completed, 100)
    );

    let bench = Bench::new(Service::Cpanel);
    let running = bench.prepared(plan("v2")).await.run(None);
    let abort = async {
        bench.mesh.clock.sleep(Duration::from_secs(12)).await;
        bench.desk.leave(Order::Abort).expect("left");
    };
    let (ending, ()) = tokio::join!(running, abort);
    assert_eq!(
        (ending.expect("carried out"), bench.mesh.split().0),
        (Ending::RolledBack, 0)
    );
    assert_eq!(bench.shares(), [10, 50, 0]);
}

#[tokio::test]
async fn a_version_that_is_there_keeps_its_instances() {
    let bench = Bench::new(Service::Cpanel);
    bench.mesh.set_replicas("v2", 1);
    bench.mesh.behave(Manners {
        fails_every: Some(1),
        ..Manners::default()
    });
    assert_eq!(bench.run().await, Ending::RolledBack);
    assert_eq!(bench.mesh.replicas("v2"), 1);
}

#[tokio::test]
async fn a_longer_interval_is_kept() {
    let bench = Bench::new(Service::Cpanel);
    let flags = ["--to", "v2", "--steps", "50,100", "--interval", "1m"];
    let begun = bench.mesh.clock.now();
    let runner = bench.prepared(plan_of(&flags)).await;
    assert_eq!(
        runner.run(None).await.expect("carried out"),
        Ending::Completed
    );
    assert_eq!((bench.mesh.clock.now() - begun).as_secs(), 120);
}
