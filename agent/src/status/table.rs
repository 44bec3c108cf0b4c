//! How a status looks on a terminal.

use std::fmt::{self, Formatter, Write as _};

use super::{Camera, Health, State, Status};

const HEAD: [&str; 9] = [
    "CAMERA",
    "STATE",
    "FPS",
    "GATE",
    "RESTARTS",
    "WAITING",
    "OLDEST",
    "LINK",
    "DESTINATION",
];

pub(super) fn write(status: &Status, f: &mut Formatter<'_>) -> fmt::Result {
    let device = &status.device;
    let health = match status.health {
        Health::Ok => "OK",
        Health::Degraded => "DEGRADED",
    };
    write!(
        f,
        "{}  {health}  airside-agent {}",
        device.agent, device.version
    )?;
    write!(f, ", up {}", time(device.uptime_seconds))?;
    if let Some(degrees) = device.temperature_celsius {
        write!(f, ", {degrees:.0} °C")?;
    }
    if let Some(disk) = &device.disk {
        let gigabytes = |bytes: u64| bytes as f64 / 1e9;
        let (free, total) = (gigabytes(disk.free_bytes), gigabytes(disk.total_bytes));
        write!(
            f,
            ", {free:.1} of {total:.1} GB free at {}",
            disk.path.display()
        )?;
    }
    f.write_str("\n\n")?;
    columns(status.cameras.iter().map(row).collect(), f)?;
    let frames = status.frames;
    write!(f, "\n{} captured = {} gated", frames.captured, frames.gated)?;
    write!(
        f,
        " + {} acknowledged + {} shed",
        frames.acknowledged, frames.shed
    )?;
    writeln!(
        f,
        " + {} dropped + {} waiting",
        frames.dropped, frames.spooled
    )?;
    if !status.trouble.is_empty() {
        f.write_char('\n')?;
    }
    status
        .trouble
        .iter()
        .try_for_each(|line| writeln!(f, "! {line}"))
}

fn row(camera: &Camera) -> [String; 9] {
    let state = &camera.state;
    [
        camera.id.clone(),
        or_none(&state.camera),
        format!("{}/{}", state.measured_fps, state.fps),
        or_none(&state.gate),
        state.restarts.to_string(),
        state.frames.spooled.to_string(),
        state.oldest_seconds.map_or("-".to_owned(), time),
        link(state),
        or_none(state.destination.as_deref().unwrap_or_default()),
    ]
}

/// How the link is and since when; how long live frames take over it; how far quality and rate are reduced for it.
fn link(state: &State) -> String {
    let mut link = format!("{} {}", or_none(&state.link), time(state.link_seconds));
    let uplink = &state.uplink;
    if let Some(live) = uplink.live_seconds {
        let _ = write!(link, ", {:.0} ms", live.p50 * 1000.0);
    }
    if uplink.step > 0 {
        let _ = write!(link, ", step {}/{}", uplink.step, uplink.steps);
    }
    link
}

fn or_none(text: &str) -> String {
    match text {
        "" => "-".to_owned(),
        text => text.to_owned(),
    }
}

/// Each column as wide as its widest cell; the last one as wide as it is.
fn columns(rows: Vec<[String; 9]>, f: &mut Formatter<'_>) -> fmt::Result {
    let head = HEAD.map(str::to_owned);
    let all: Vec<_> = std::iter::once(head).chain(rows).collect();
    let width = |column: usize| all.iter().map(|row| row[column].chars().count()).max();
    let widths: Vec<_> = (0..HEAD.len())
        .map(|column| width(column).unwrap_or(0))
        .collect();
    for row in &all {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(&widths) {
            write!(line, "{cell:<width$}  ")?;
        }
        writeln!(f, "{}", line.trim_end())?;
    }
    Ok(())
}

/// The two largest units, or the one that there is.
fn time(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3_600 => format!("{} min", seconds / 60),
        3_600..86_400 => format!("{} h {} min", seconds / 3_600, seconds % 3_600 / 60),
        _ => format!("{} d {} h", seconds / 86_400, seconds % 86_400 / 3_600),
    }
}
