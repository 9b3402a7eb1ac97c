//! The status page for people: one piece of HTML without script, readable in any browser and by any screen reader.

use std::fmt::Write;

use super::{LastMinute, State, Status, StoreState};

const STYLE: &str = "\
:root{color-scheme:light dark}\
body{font:1.05rem/1.5 system-ui,sans-serif;max-width:40rem;margin:2rem auto;padding:0 1rem}\
h1{font-size:1.4rem}h2{font-size:1.1rem;margin-top:2rem}\
p.state{font-size:1.3rem;padding:.6rem 1rem;border-left:.4rem solid currentColor}\
.well{color:light-dark(#176639,#6fd69a)}.slow,.busy{color:light-dark(#7a5200,#f0c05a)}\
.not_taking,.stopping{color:light-dark(#a02020,#ff9a8f)}\
table{border-collapse:collapse;width:100%}th{text-align:left;font-weight:normal}\
td{text-align:right;font-variant-numeric:tabular-nums}th,td{padding:.2rem 0;border-bottom:1px solid light-dark(#ddd,#444)}";

/// The page. It asks to be loaded again every ten seconds.
pub(super) fn html(status: &Status) -> String {
    let Status { server, version, up_seconds, state, .. } = status;
    let mut page = format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta http-equiv=\"refresh\" content=\"10\">\
         <meta name=\"viewport\" content=\"width=device-width\"><title>{}: {server}</title><style>{STYLE}</style></head>\n\
         <body><main><h1>{server}</h1>\n<p class=\"state {}\" role=\"status\">{}</p>\n",
        word(*state),
        class(*state),
        sentence(status)
    );
    for (title, rows) in [("Now", now(status)), ("In the last minute", lately(&status.last_minute))] {
        let _infallible = writeln!(page, "<h2>{title}</h2>\n<table><tbody>");
        for (name, value) in rows {
            let _infallible = writeln!(page, "<tr><th scope=\"row\">{name}</th><td>{value}</td></tr>");
        }
        page.push_str("</tbody></table>\n");
    }
    if !status.refusals.is_empty() {
        page.push_str("<h2>Refused since the start</h2>\n<table><tbody>\n");
        for (code, count) in &status.refusals {
            let _infallible = writeln!(page, "<tr><th scope=\"row\">{}</th><td>{count}</td></tr>", code.replace('_', " "));
        }
        page.push_str("</tbody></table>\n");
    }
    let _infallible = writeln!(
        page,
        "<p><small>alcyon-server {version}, up for {}. <a href=\"/status.json\">The same as JSON</a>. \
         Nothing here is about anybody: the server does not know who writes to whom.</small></p></main></body></html>",
        span(*up_seconds)
    );
    page
}

fn now(status: &Status) -> Vec<(&'static str, String)> {
    let Status { connections, connections_most, sessions, memory_bytes, blob_bytes, serving_late_ms, .. } = status;
    vec![
        ("Asked, of what it can do", format!("{:.0} %", status.asked * 100.0)),
        ("Newcomers in line", line(status)),
        ("Connections", format!("{connections} of {connections_most}")),
        ("Devices that listen", sessions.to_string()),
        ("Behind by", format!("{serving_late_ms} ms")),
        ("Memory", memory_bytes.map_or("not known".to_owned(), bytes)),
        ("Files kept", bytes(*blob_bytes)),
    ]
}

fn lately(minute: &LastMinute) -> Vec<(&'static str, String)> {
    let LastMinute {
        seconds: _,
        appends_per_second,
        delivered_per_second,
        refusals_per_second,
        http_per_second,
        write_p50_ms,
        write_p99_ms,
    } = minute;
    let within = |time: &Option<f64>| time.map_or("nothing was written".to_owned(), |ms| format!("within {ms} ms"));
    vec![
        ("Messages taken", format!("{appends_per_second:.1} a second")),
        ("Messages handed over", format!("{delivered_per_second:.1} a second")),
        ("Other requests", format!("{http_per_second:.1} a second")),
        ("Refused", format!("{refusals_per_second:.1} a second")),
        ("Half of the messages safe on disk", within(write_p50_ms)),
        ("99 of 100 messages safe on disk", within(write_p99_ms)),
    ]
}

fn sentence(status: &Status) -> String {
    match (status.state, status.store) {
        (State::Well, _) => "All is well.".to_owned(),
        (State::Slow, _) => "It works, but late. Messages arrive, later than usual.".to_owned(),
        (State::Busy, _) => {
            "More is asked of it than it can do. Messages between people who already talk go first; newcomers and files wait.".to_owned()
        }
        (State::Stopping, _) => "It is stopping. Clients come back by themselves when it is up again.".to_owned(),
        (State::NotTaking, StoreState::DiskFull) => {
            "The disk is full: nothing new is taken. What was sent is safe and can be read; what you write waits on your device.".to_owned()
        }
        (State::NotTaking, StoreState::Stuck) => format!(
            "The disk has not answered for {} s: nothing new is taken. What you write waits on your device.",
            status.write_stuck_ms.unwrap_or(0) / 1000
        ),
        (State::NotTaking, _) => {
            "The disk has failed: nothing new is taken until it works again. What you write waits on your device.".to_owned()
        }
    }
}

fn word(state: State) -> &'static str {
    match state {
        State::Well => "Well",
        State::Slow => "Slow",
        State::Busy => "Busy",
        State::NotTaking => "Not taking messages",
        State::Stopping => "Stopping",
    }
}

fn class(state: State) -> &'static str {
    match state {
        State::Well => "well",
        State::Slow => "slow",
        State::Busy => "busy",
        State::NotTaking => "not_taking",
        State::Stopping => "stopping",
    }
}

/// How many stand in line, and how long.
pub(super) fn line(status: &Status) -> String {
    match (status.newcomers_waiting, status.newcomers_wait_seconds) {
        (0, _) => "nobody".to_owned(),
        (waiting, None) => waiting.to_string(),
        (waiting, Some(seconds)) => format!("{waiting}, the last for about {}", span(seconds)),
    }
}

/// Bytes as people write them.
pub(super) fn bytes(count: u64) -> String {
    #[allow(clippy::cast_precision_loss)] // two digits are shown
    let mut value = count as f64;
    for unit in ["B", "KiB", "MiB", "GiB"] {
        if value < 1024.0 {
            return if unit == "B" { format!("{count} B") } else { format!("{value:.1} {unit}") };
        }
        value /= 1024.0;
    }
    format!("{value:.1} TiB")
}

/// A span of time as people write it.
pub(super) fn span(seconds: u64) -> String {
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3_600 % 24, seconds / 60 % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds} s"),
        (0, 0, _) => format!("{minutes} min"),
        (0, _, _) => format!("{hours} h {minutes} min"),
        _ => format!("{days} d {hours} h"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_as_people_write_them() {
        assert_eq!([bytes(7), bytes(2048), bytes(5 << 30)], ["7 B", "2.0 KiB", "5.0 GiB"]);
        assert_eq!([span(59), span(61), span(3_700), span(90_000)], ["59 s", "1 min", "1 h 1 min", "1 d 1 h"]);
    }
}
