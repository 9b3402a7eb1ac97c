//! What is kept of the line: how far it is and how many tickets there are after it, nothing of anybody.

use prost::Message;

use super::line::{Kept, Span};

#[derive(Clone, PartialEq, Message)]
pub(crate) struct LineRecord {
    #[prost(uint64, tag = "1")]
    pub watermark_us: u64,
    #[prost(message, repeated, tag = "2")]
    pub spans: Vec<SpanRecord>,
    /// Millionths.
    #[prost(uint32, tag = "3")]
    pub show_rate: u32,
}

#[derive(Clone, Copy, PartialEq, Eq, Message)]
pub(crate) struct SpanRecord {
    /// After the span before, or the watermark.
    #[prost(uint64, tag = "1")]
    pub after_us: u64,
    #[prost(uint64, tag = "2")]
    pub length_us: u64,
    #[prost(uint64, tag = "3")]
    pub tickets: u64,
}

impl From<&Kept> for LineRecord {
    fn from(kept: &Kept) -> Self {
        let Kept { watermark_us, spans, show_rate } = kept;
        let mut end_us = *watermark_us;
        let span = |Span { from_us, until_us, tickets }: &Span| {
            let record =
                SpanRecord { after_us: from_us.saturating_sub(end_us), length_us: until_us.saturating_sub(*from_us), tickets: *tickets };
            end_us = *until_us;
            record
        };
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // from 0 to 1
        let show_rate = (show_rate * 1e6) as u32;
        Self { watermark_us: *watermark_us, spans: spans.iter().map(span).collect(), show_rate }
    }
}

impl From<LineRecord> for Kept {
    fn from(record: LineRecord) -> Self {
        let LineRecord { watermark_us, spans, show_rate } = record;
        let mut end_us = watermark_us;
        let span = |SpanRecord { after_us, length_us, tickets }: SpanRecord| {
            let from_us = end_us.saturating_add(after_us);
            end_us = from_us.saturating_add(length_us);
            Span { from_us, until_us: end_us, tickets }
        };
        Self { watermark_us, spans: spans.into_iter().map(span).collect(), show_rate: f64::from(show_rate) / 1e6 }
    }
}
