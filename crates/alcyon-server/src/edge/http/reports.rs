use std::sync::Arc;

use alcyon_wire::{AccountId, limits};
use axum::{
    extract::{Path, Request, State},
    response::{IntoResponse, Response},
};
use serde_json::json;

use super::{Problem, answer::json_body, fields::Fields, routes::App, signed::signed};
use crate::reports::{About, Report, ReportId, ReportedMessage};

/// All texts of a report, each byte escaped at the worst, and what is around them.
const BODY: usize = 6 * (limits::REPORT_MESSAGES * (limits::REPORT_TEXT + limits::REPORT_NAME) + limits::REPORT_WORDS) + 8 * 1024;
/// What can be the matter.
const REASONS: [&str; 4] = ["spam", "abuse", "danger", "other"];

/// `POST /v1/accounts/{account}/reports`: something for the operator to look at.
pub(super) async fn take(State(app): State<Arc<App>>, Path(account): Path<String>, request: Request) -> Result<Response, Problem> {
    let account = AccountId::from_text(&account, "account")?;
    let (device, body) = signed(&app, request, BODY).await?;
    // Before anything is counted: nobody uses up what another may send.
    app.directory.manifest_with(account, device)?;
    let (id, report) = parse(account, &body)?;
    app.reports.take(&app.directory, account, id, &report).await?;
    Ok(json_body(&json!({})).into_response())
}

fn parse(account: AccountId, body: &[u8]) -> Result<(ReportId, Report), Problem> {
    let mut fields = Fields::parse(body)?;
    let id = ReportId(fields.array("report")?);
    let mut about = fields.object("about")?;
    let whom = if about.has("group") {
        About::Group { title: about.short_text("group", limits::REPORT_NAME)? }
    } else {
        let account = AccountId::from_text(&about.text("account")?, "about.account")?;
        About::Person { account, handle: about.short_text("handle", limits::REPORT_NAME)? }
    };
    about.end()?;
    let reason = fields.text("reason")?;
    if !REASONS.contains(&reason.as_str()) {
        return Err(Problem::malformed("reason", format!("reason must be one of {}", REASONS.join(", "))));
    }
    let words = fields.short_text("words", limits::REPORT_WORDS)?;
    let messages = fields.objects("messages", limits::REPORT_MESSAGES)?.into_iter().map(|mut message| {
        let reported = ReportedMessage {
            by: message.short_text("by", limits::REPORT_NAME)?,
            sent_at_ms: message.number("sent_at_ms")?,
            text: message.short_text("text", limits::REPORT_TEXT)?,
        };
        message.end()?;
        Ok(reported)
    });
    let messages = messages.collect::<Result<_, Problem>>()?;
    let from = fields.boolean("named")?.then_some(account);
    fields.end()?;
    Ok((id, Report { about: whom, reason, words, messages, from }))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn body(change: impl FnOnce(&mut serde_json::Value)) -> Vec<u8> {
        let mut body = json!({
            "report": "AAAAAAAAAAAAAAAAAAAAAA", "about": { "group": "boats" }, "reason": "spam", "words": "", "named": false,
            "messages": [{ "by": "mal@sea.example", "sent_at_ms": 7, "text": "buy" }],
        });
        change(&mut body);
        body.to_string().into_bytes()
    }

    fn field_of(change: impl FnOnce(&mut serde_json::Value)) -> String {
        parse(AccountId::from([1; 32]), &body(change)).unwrap_err().field.into_owned()
    }

    #[test]
    fn a_report_is_what_its_form_allows_and_no_more() {
        let own = AccountId::from([1; 32]);
        let (id, report) = parse(own, &body(|_| {})).unwrap();
        assert_eq!((id.0, &report.about, report.from), ([0; 16], &About::Group { title: "boats".to_owned() }, None));
        assert_eq!(parse(own, &body(|body| body["named"] = true.into())).unwrap().1.from, Some(own), "nobody can name another");
        assert_eq!(field_of(|body| body["reason"] = "dull".into()), "reason");
        assert_eq!(field_of(|body| body["about"] = json!({ "group": "boats", "account": own.to_text() })), "about.account");
        assert_eq!(field_of(|body| body["about"] = json!({ "handle": "mal@sea.example" })), "about.account");
        assert_eq!(field_of(|body| body["messages"][0]["text"] = "x".repeat(limits::REPORT_TEXT + 1).into()), "messages[0].text");
        assert_eq!(field_of(|body| body["messages"][0]["sent_at_ms"] = (-1).into()), "messages[0].sent_at_ms");
        assert_eq!(field_of(|body| body["words"] = "x".repeat(limits::REPORT_WORDS + 1).into()), "words");
        assert_eq!(field_of(|body| body["messages"] = vec![json!({}); limits::REPORT_MESSAGES + 1].into()), "messages");
        assert_eq!(field_of(|body| body["from"] = "ben@sea.example".into()), "from");
    }

    #[test]
    fn the_largest_report_fits_whatever_has_to_be_escaped() {
        let worst = |length: usize| serde_json::Value::from("\u{1}".repeat(length));
        let message = json!({ "by": worst(limits::REPORT_NAME), "sent_at_ms": u64::MAX, "text": worst(limits::REPORT_TEXT) });
        let body = body(|body| {
            body["messages"] = vec![message; limits::REPORT_MESSAGES].into();
            body["words"] = worst(limits::REPORT_WORDS);
            body["about"] = json!({ "account": AccountId::from([2; 32]).to_text(), "handle": worst(limits::REPORT_NAME) });
        });
        assert!(body.len() <= BODY);
        parse(AccountId::from([1; 32]), &body).unwrap();
    }
}
