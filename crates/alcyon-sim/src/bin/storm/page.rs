//! The page: one file, no script, plots as SVG with a table beside each, light and dark.

use std::fmt::Write;

use super::outcome::{Line, Outcome, Plot};

const STYLE: &str = "\
:root{color-scheme:light dark;--line:light-dark(#ccc,#444);--a:light-dark(#0b62a4,#6db6f2);--b:light-dark(#a34b00,#f2a65e);\
--c:light-dark(#6a2c91,#cf9bea);--ok:light-dark(#176639,#6fd69a);--bad:light-dark(#a02020,#ff9a8f)}\
body{font:1rem/1.5 system-ui,sans-serif;max-width:64rem;margin:2rem auto;padding:0 1rem}\
table{border-collapse:collapse;margin:.5rem 0}th,td{text-align:left;padding:.2rem .8rem .2rem 0;border-bottom:1px solid var(--line);vertical-align:top}\
td.n{text-align:right;font-variant-numeric:tabular-nums}\
.ok{color:var(--ok);font-weight:600}.bad{color:var(--bad);font-weight:600}\
figure{margin:1rem 0;display:inline-block;width:31rem;max-width:100%;vertical-align:top}figcaption{font-weight:600}\
svg{width:100%;height:auto}svg text{font-size:11px;fill:currentColor}\
.grid{stroke:var(--line);stroke-width:1}.l0{stroke:var(--a)}.l1{stroke:var(--b);stroke-dasharray:6 3}.l2{stroke:var(--c);stroke-dasharray:2 3}\
polyline{fill:none;stroke-width:1.8}details{font-size:.9rem}";

const WIDTH: f64 = 480.0;
const HEIGHT: f64 = 200.0;
const LEFT: f64 = 56.0;
const BOTTOM: f64 = 24.0;

/// The whole page.
pub fn html(machine: &str, short: bool, outcomes: &[Outcome]) -> String {
    let form = if short { "the short form" } else { "the full form" };
    let mut page = format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">\
         <title>Alcyon: the storm</title><style>{STYLE}</style></head>\n<body><main><h1>The storm</h1>\n\
         <p>A real server on one core, a generator on another, {form}. {}. What is offered follows a schedule that does not wait \
         for the server; every time is counted from the moment something was due.</p>\n<h2>Marks</h2>\n",
        escaped(machine)
    );
    page += "<table><thead><tr><th>scenario</th><th>what</th><th>has to be</th><th>was</th><th></th></tr></thead><tbody>\n";
    for outcome in outcomes {
        for mark in &outcome.marks {
            let (class, word) = if mark.passed { ("ok", "passed") } else { ("bad", "failed") };
            let _infallible = writeln!(
                page,
                "<tr><th scope=\"row\"><a href=\"#{0}\">{0}</a></th><td>{1}</td><td>{2}</td><td>{3}</td><td class=\"{class}\">{word}</td></tr>",
                outcome.name,
                escaped(&mark.what),
                escaped(&mark.limit),
                escaped(&mark.measured)
            );
        }
    }
    page += "</tbody></table>\n";
    for outcome in outcomes {
        let _infallible = writeln!(page, "<h2 id=\"{0}\">{0}</h2>\n<p>{1}</p>", outcome.name, escaped(&outcome.about));
        for note in &outcome.notes {
            let _infallible = writeln!(page, "<p>{}</p>", escaped(note));
        }
        for plot in &outcome.plots {
            draw(plot, &mut page);
        }
    }
    page += "</main></body></html>\n";
    page
}

fn draw(plot: &Plot, page: &mut String) {
    let Plot { title, unit, lines } = plot;
    let lines: Vec<&Line> = lines.iter().filter(|line| !line.points.is_empty()).collect();
    if lines.is_empty() {
        return;
    }
    let all = || lines.iter().flat_map(|line| &line.points);
    let most = nice(all().map(|point| point.1).fold(0.0, f64::max));
    let end = all().map(|point| point.0).fold(1.0, f64::max);
    let x = |at: f64| LEFT + (WIDTH - LEFT - 8.0) * at / end;
    let y = |value: f64| 8.0 + (HEIGHT - BOTTOM - 8.0) * (1.0 - value / most);
    let _infallible = write!(
        page,
        "<figure><figcaption>{} ({unit})</figcaption>\n<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"{}: the table below has the figures\">",
        escaped(title),
        escaped(title)
    );
    for part in 0..=4 {
        let value = most * f64::from(part) / 4.0;
        let _infallible = write!(
            page,
            "<line class=\"grid\" x1=\"{LEFT}\" x2=\"{WIDTH}\" y1=\"{0:.1}\" y2=\"{0:.1}\"/><text x=\"{1}\" y=\"{2:.1}\" text-anchor=\"end\">{3}</text>",
            y(value),
            LEFT - 6.0,
            y(value) + 4.0,
            short(value)
        );
        let at = end * f64::from(part) / 4.0;
        let _infallible =
            write!(page, "<text x=\"{:.1}\" y=\"{}\" text-anchor=\"middle\">{} s</text>", x(at).min(WIDTH - 24.0), HEIGHT - 8.0, short(at));
    }
    for (index, line) in lines.iter().enumerate() {
        let points: Vec<String> = line.points.iter().map(|(at, value)| format!("{:.1},{:.1}", x(*at), y(*value))).collect();
        let _infallible = write!(page, "<polyline class=\"l{}\" points=\"{}\"/>", index % 3, points.join(" "));
    }
    page.push_str("</svg>\n<table><thead><tr><th>line</th><th>least</th><th>mean</th><th>most</th></tr></thead><tbody>");
    for (index, line) in lines.iter().enumerate() {
        let values = || line.points.iter().map(|point| point.1);
        #[allow(clippy::cast_precision_loss)] // a few hundred points
        let mean = values().sum::<f64>() / line.points.len() as f64;
        let mark = ["solid", "dashed", "dotted"][index % 3];
        let _infallible = write!(
            page,
            "<tr><th scope=\"row\">{} ({mark})</th><td class=\"n\">{}</td><td class=\"n\">{}</td><td class=\"n\">{}</td></tr>",
            escaped(&line.name),
            short(values().fold(f64::INFINITY, f64::min)),
            short(mean),
            short(values().fold(0.0, f64::max))
        );
    }
    page.push_str("</tbody></table></figure>\n");
}

/// The next number of the form 1, 2 or 5 times a power of ten.
fn nice(most: f64) -> f64 {
    if most <= 0.0 {
        return 1.0;
    }
    let power = 10_f64.powf(most.log10().floor());
    [1.0, 2.0, 5.0, 10.0].into_iter().map(|step| step * power).find(|step| *step >= most).unwrap_or(most)
}

fn short(value: f64) -> String {
    match value {
        0.0 => "0".to_owned(),
        value if value.abs() >= 10_000.0 => format!("{:.0}k", value / 1000.0),
        value if value.abs() >= 100.0 => format!("{value:.0}"),
        value if value.abs() >= 1.0 => format!("{value:.1}"),
        value => format!("{value:.2}"),
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_whole_and_says_what_failed() {
        let mut outcome = Outcome::new("overload", "a <test>");
        outcome.at_least("goodput", 50.0, 90.0, "%");
        outcome.plots.push(Plot {
            title: "A".to_owned(),
            unit: "ms",
            lines: vec![Line { name: "b".to_owned(), points: vec![(0.0, 1.0), (9.0, 3.0)] }],
        });
        let page = html("a machine & more", true, &[outcome]);
        for part in ["at least 90 %", "50 %", "failed", "a &lt;test&gt;", "a machine &amp; more", "<polyline", "</html>"] {
            assert!(page.contains(part), "{part}");
        }
        assert!(!page.contains("<script"));
        assert_eq!([nice(0.0), nice(3.0), nice(11.0), nice(99.0)], [1.0, 5.0, 20.0, 100.0]);
    }
}
