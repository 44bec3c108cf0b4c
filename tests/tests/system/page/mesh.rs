//! The card of the mesh: what was wanted, what came of it, and who is ejected.

use airside_tests::{Case, Program, Spec, browser::Browser, case, case::repository, view::View};
use anyhow::{Result, ensure};
use serde_json::{Value, json};

use super::{TIME, shows, text};

/// Words that a careless page would run.
const HOSTILE: &str = "<img src=x onerror=\"window.stolen=1\">1 % to v2";

#[test]
fn the_page_shows_the_mesh_as_it_changes() {
    case("page_mesh", async |case| {
        let view = View::start(&mesh(true)).await?;
        let spec = panel().flag("--mesh-view", view.url());
        let panel = Program::start(case, spec).await?;
        let browser = opened(case, &panel).await?;
        shows(&browser, "#mesh-ejected", "cpanel-v2-1").await?;
        let services = text(&browser, "#mesh-services").await?;
        for said in [
            "got 98\u{a0}% · wanted 99\u{a0}%",
            "got 1.8\u{a0}% · wanted 1.0\u{a0}%",
            "cpanel-v2-0",
            "⊘ ejected",
            HOSTILE,
            "momentum-v1-0",
            "all to v1",
        ] {
            ensure!(services.contains(said), "no {said:?} in {services}");
        }
        ensure!(
            browser.run("return window.stolen ?? null").await? == Value::Null,
            "words were run"
        );
        let bars = "return [...document.querySelectorAll('.share')].map((bar) =>
            [bar.querySelector('.measured').width.baseVal.value, bar.querySelector('.wanted').x1.baseVal.value])";
        ensure!(browser.run(bars).await? == json!([[98.25, 99], [1.75, 1]]));
        shows(&browser, "#mesh-rules", "1 document").await?;
        shows(&browser, "#results", "cpanel-v2-1").await?;
        ensure!(
            !text(&browser, "#mesh").await?.contains("is not told"),
            "it is told about the mesh"
        );

        view.set(&mesh(false));
        shows(&browser, "#mesh-ejected", "no instance is ejected").await?;
        ensure!(!text(&browser, "#mesh-services").await?.contains("ejected"));
        drop(view);
        shows(&browser, "#mesh-error", "502").await?;
        browser.close().await
    });
}

#[test]
fn the_page_says_why_it_shows_no_mesh() {
    case("page_no_mesh", async |case| {
        let panel = Program::start(case, panel()).await?;
        let browser = opened(case, &panel).await?;
        let card = text(&browser, "#mesh").await?;
        ensure!(card.contains("is not told about the mesh"), "{card}");
        ensure!(!card.contains("Rules in force"), "{card}");
        shows(&browser, "#results", "cpanel").await?;
        browser.close().await
    });
}

/// A panel without neighbours.
fn panel() -> Spec {
    Spec::role("cpanel-v2-0", "cpanel")
        .flag("--version", "v2")
        .flag("--registry", repository().join("deploy/local/panel.toml"))
}

async fn opened(case: &Case, panel: &Program) -> Result<Browser> {
    let browser = Browser::start(case).await?;
    browser.open(&panel.url("/")).await?;
    Ok(browser)
}

fn mesh(ejected: bool) -> Value {
    let instance = |name: &str, version: &str, ejected: bool| json!({"name": name, "version": version, "state": "ready", "ejected": ejected, "requests": 10, "errors": 0});
    let version = |name: &str, wanted: f64, measured: f64| json!({"version": name, "wanted-share": wanted, "measured-share": measured, "requests": 20, "errors": 1});
    json!({
        "taken": TIME, "window-seconds": 60,
        "rules": {"since": TIME, "documents": [
            {"kind": "VirtualService", "namespace": "default", "name": "cpanel", "file": "cpanel-canary.yaml"},
        ]},
        "services": [
            {
                "name": "cpanel", "words": [HOSTILE],
                "versions": [version("v1", 0.99, 0.9825), version("v2", 0.01, 0.0175)],
                "instances": [
                    instance("cpanel-v1-0", "v1", false),
                    instance("cpanel-v2-0", "v2", false),
                    instance("cpanel-v2-1", "v2", ejected),
                ],
            },
            {
                "name": "momentum", "words": ["all to v1"], "versions": [version("v1", 1.0, 1.0)],
                "instances": [instance("momentum-v1-0", "v1", false)],
            },
        ],
    })
}
