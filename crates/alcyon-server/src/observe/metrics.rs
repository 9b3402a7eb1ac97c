use std::time::Duration;

use alcyon_wire::RefusalCode;
use metrics::{Counter, Gauge, Histogram, Key, Label, Level, Metadata, Recorder};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle, PrometheusRecorder};

use crate::admission::{Class, Pressure, Waiting};

/// The counters of one server. Every series exists from the start, so that labels can only come from the sets below.
pub struct Metrics {
    /// Connections open now, of all kinds.
    pub connections: Gauge,
    /// WebSockets among them.
    pub sessions: Gauge,
    /// Connections turned away because the limit of connections was reached.
    pub refused_at_limit: Counter,
    /// Connections turned away because too much is asked.
    pub refused_for_overload: Counter,
    /// Connections turned away because there are as many from that part of the network as there may be.
    pub refused_for_address: Counter,
    /// Connections turned away because what connections hold has reached the ceiling.
    pub refused_for_memory: Counter,
    /// WebSockets ended because they held much when there was no more room.
    pub shed: Counter,
    /// Bytes that connections hold.
    pub client_memory: Gauge,
    /// Connections turned away because files ran out.
    pub refused_for_files: Counter,
    /// TLS handshakes that failed or took too long.
    pub handshakes_failed: Counter,
    /// HTTP requests answered, by the hundreds of their status.
    http_answers: [Counter; 5],
    /// Frames taken, by kind.
    requests: [Counter; RequestKind::ALL.len()],
    /// Refusals sent, by code.
    refusals: Vec<Counter>,
    /// From a frame that writes to its durable answer.
    pub write_seconds: Histogram,
    /// Entries handed to subscribers.
    pub entries_delivered: Counter,
    /// Their payload.
    pub bytes_delivered: Counter,
    /// Signals that were not passed on because the reader was behind.
    pub signals_dropped: Counter,
    /// Uploads of blobs begun.
    pub uploads_begun: Counter,
    /// And completed.
    pub uploads_completed: Counter,
    /// Blobs and unfinished uploads removed because their time was over.
    pub blobs_expired: Counter,
    /// Bytes of blobs taken.
    pub blob_bytes_in: Counter,
    /// Bytes of blobs given.
    pub blob_bytes_out: Counter,
    /// Bytes promised to all blobs.
    pub blob_bytes: Gauge,
    /// Calls for blobs that failed because where they lie could not be reached, or refused.
    pub blobs_away: Counter,
    /// Newcomers who have signed up.
    pub sign_ups: Counter,
    /// Sign-ups that were told to wait.
    pub sign_ups_held: Counter,
    /// Tickets given out.
    pub sign_up_tickets: Counter,
    /// Codes that went out to newcomers.
    pub codes_sent: Counter,
    /// Codes that no sender could take.
    pub codes_failed: Counter,
    /// Tickets that wait for their turn.
    pub sign_up_line: Gauge,
    /// Stamps that accounts were given.
    pub stamps_issued: Counter,
    /// Genuine stamps that were shown.
    pub paid_by_stamp: Counter,
    /// Work that was shown instead.
    pub paid_by_work: Counter,
    /// Requests let in, by class.
    admitted: [Counter; Class::ALL.len()],
    /// Requests refused because too much was asked, by class.
    not_admitted: [Counter; Class::ALL.len()],
    /// The part of each class that comes in.
    levels: [Gauge; Class::ALL.len()],
    /// How long work stands, by place.
    queueing: [Gauge; Waiting::ALL.len()],
    /// What may come in, in appends a second.
    budget: Gauge,
    /// The part of new connections that comes in.
    connection_level: Gauge,
    /// 1 from SIGTERM on.
    pub draining: Gauge,
    handle: PrometheusHandle,
}

/// The kinds of frames a client sends, and what is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)] // those of `log.proto`
pub enum RequestKind {
    Hello,
    Create,
    Append,
    Commit,
    Close,
    Leave,
    Publish,
    Subscribe,
    Unsubscribe,
    Ack,
    GetTree,
    GetEntries,
    PutTree,
    Knock,
    SetPasses,
    Credit,
    Ping,
    Malformed,
}

impl RequestKind {
    const ALL: [Self; 18] = [
        Self::Hello,
        Self::Create,
        Self::Append,
        Self::Commit,
        Self::Close,
        Self::Leave,
        Self::Publish,
        Self::Subscribe,
        Self::Unsubscribe,
        Self::Ack,
        Self::GetTree,
        Self::GetEntries,
        Self::PutTree,
        Self::Knock,
        Self::SetPasses,
        Self::Credit,
        Self::Ping,
        Self::Malformed,
    ];

    fn label(self) -> &'static str {
        match self {
            Self::Hello => "hello",
            Self::Create => "create",
            Self::Append => "append",
            Self::Commit => "commit",
            Self::Close => "close",
            Self::Leave => "leave",
            Self::Publish => "publish",
            Self::Subscribe => "subscribe",
            Self::Unsubscribe => "unsubscribe",
            Self::Ack => "ack",
            Self::GetTree => "get_tree",
            Self::GetEntries => "get_entries",
            Self::PutTree => "put_tree",
            Self::Knock => "knock",
            Self::SetPasses => "set_passes",
            Self::Credit => "credit",
            Self::Ping => "ping",
            Self::Malformed => "malformed",
        }
    }
}

impl From<&alcyon_wire::Request> for RequestKind {
    fn from(request: &alcyon_wire::Request) -> Self {
        use alcyon_wire::Request;
        match request {
            Request::Hello { .. } => Self::Hello,
            Request::Create { .. } => Self::Create,
            Request::Append { .. } => Self::Append,
            Request::Commit { .. } => Self::Commit,
            Request::Close { .. } => Self::Close,
            Request::Leave { .. } => Self::Leave,
            Request::Publish { .. } => Self::Publish,
            Request::Subscribe { .. } => Self::Subscribe,
            Request::Unsubscribe { .. } => Self::Unsubscribe,
            Request::Ack { .. } => Self::Ack,
            Request::GetTree { .. } => Self::GetTree,
            Request::GetEntries { .. } => Self::GetEntries,
            Request::PutTree { .. } => Self::PutTree,
            Request::Knock { .. } => Self::Knock,
            Request::SetPasses { .. } => Self::SetPasses,
            Request::Credit { .. } => Self::Credit,
            Request::Ping => Self::Ping,
        }
    }
}

impl Metrics {
    /// All at zero.
    #[must_use]
    pub fn new() -> Self {
        let buckets = [0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 5.0];
        let recorder = PrometheusBuilder::new().set_buckets(&buckets).expect("there are buckets").build_recorder();
        let series = Series(&recorder);
        let refused = |reason| series.counter("alcyon_connections_refused_total", Some(("reason", reason)));
        Self {
            connections: series.gauge("alcyon_connections", "Connections open now"),
            sessions: series.gauge("alcyon_sessions", "WebSockets open now"),
            refused_at_limit: refused("limit"),
            refused_for_overload: refused("overload"),
            refused_for_address: refused("address"),
            refused_for_memory: refused("memory"),
            shed: series.counter("alcyon_sessions_shed_total", None),
            client_memory: series.gauge("alcyon_client_memory_bytes", "What connections hold, counted"),
            refused_for_files: refused("files"),
            handshakes_failed: series.counter("alcyon_tls_handshakes_failed_total", None),
            http_answers: ["1xx", "2xx", "3xx", "4xx", "5xx"]
                .map(|status| series.counter("alcyon_http_answers_total", Some(("status", status)))),
            requests: RequestKind::ALL.map(|kind| series.counter("alcyon_requests_total", Some(("kind", kind.label())))),
            refusals: refusal_codes().map(|code| series.counter("alcyon_refusals_total", Some(("code", code.as_str_name())))).collect(),
            write_seconds: series.histogram("alcyon_write_seconds", "From a frame that writes to its durable answer"),
            entries_delivered: series.counter("alcyon_entries_delivered_total", None),
            bytes_delivered: series.counter("alcyon_payload_bytes_delivered_total", None),
            signals_dropped: series.counter("alcyon_signals_dropped_total", None),
            uploads_begun: series.counter("alcyon_blob_uploads_begun_total", None),
            uploads_completed: series.counter("alcyon_blob_uploads_completed_total", None),
            blobs_expired: series.counter("alcyon_blobs_expired_total", None),
            blob_bytes_in: series.counter("alcyon_blob_bytes_received_total", None),
            blob_bytes_out: series.counter("alcyon_blob_bytes_sent_total", None),
            blob_bytes: series.gauge("alcyon_blob_bytes", "Bytes promised to all blobs"),
            blobs_away: series.counter("alcyon_blob_store_away_total", None),
            sign_ups: series.counter("alcyon_sign_ups_total", None),
            sign_ups_held: series.counter("alcyon_sign_ups_held_total", None),
            sign_up_tickets: series.counter("alcyon_sign_up_tickets_total", None),
            codes_sent: series.counter("alcyon_sign_up_codes_sent_total", None),
            codes_failed: series.counter("alcyon_sign_up_codes_failed_total", None),
            sign_up_line: series.gauge("alcyon_sign_up_line", "Tickets of newcomers that wait for their turn"),
            stamps_issued: series.counter("alcyon_stamps_issued_total", None),
            paid_by_stamp: series.counter("alcyon_paid_total", Some(("by", "stamp"))),
            paid_by_work: series.counter("alcyon_paid_total", Some(("by", "work"))),
            admitted: Class::ALL.map(|class| series.counter("alcyon_admitted_total", Some(("class", class.label())))),
            not_admitted: Class::ALL.map(|class| series.counter("alcyon_not_admitted_total", Some(("class", class.label())))),
            levels: Class::ALL.map(|class| {
                series.labelled_gauge("alcyon_admission_level", "The part of a class that comes in", ("class", class.label()))
            }),
            queueing: Waiting::ALL.map(|place| {
                series.labelled_gauge("alcyon_queueing_seconds", "How long work stands, without a break", ("place", place.label()))
            }),
            connection_level: series.gauge("alcyon_connection_level", "The part of new connections that comes in"),
            budget: series.gauge("alcyon_admission_budget", "What may come in a second, in appends"),
            draining: series.gauge("alcyon_draining", "1 once the server has been told to stop"),
            handle: recorder.handle(),
        }
    }

    /// A frame was taken.
    pub fn request(&self, kind: RequestKind) {
        if let Some(counter) = self.requests.get(kind as usize) {
            counter.increment(1);
        }
    }

    /// A refusal goes out.
    pub fn refusal(&self, code: RefusalCode) {
        if let Some(counter) = usize::try_from(i32::from(code)).ok().and_then(|code| self.refusals.get(code)) {
            counter.increment(1);
        }
    }

    /// An HTTP request was answered.
    pub fn http_answer(&self, status: http::StatusCode) {
        if let Some(counter) = self.http_answers.get(usize::from(status.as_u16() / 100).saturating_sub(1)) {
            counter.increment(1);
        }
    }

    /// A request was let in.
    pub(crate) fn admitted(&self, class: Class) {
        self.admitted[class.index()].increment(1);
    }

    /// A request was refused: too much is asked.
    pub(crate) fn not_admitted(&self, class: Class) {
        self.not_admitted[class.index()].increment(1);
    }

    /// So many appends came and were told to come later.
    pub(crate) fn turned_away(&self, count: u32) {
        let overloaded = i32::from(RefusalCode::Overloaded) as usize;
        self.requests[RequestKind::Append as usize].increment(count.into());
        self.refusals[overloaded].increment(count.into());
        self.not_admitted[Class::Append.index()].increment(count.into());
    }

    /// How things stand.
    pub(crate) fn pressure(&self, pressure: &Pressure) {
        let Pressure { queueing, overloaded: _, ratio: _, budget, levels, connections } = pressure;
        for (gauge, queueing) in self.queueing.iter().zip(queueing) {
            gauge.set(queueing.as_secs_f64());
        }
        for (gauge, level) in self.levels.iter().zip(levels) {
            gauge.set(*level);
        }
        self.budget.set(*budget);
        self.connection_level.set(*connections);
    }

    /// In the text form of Prometheus.
    #[must_use]
    pub fn render(&self) -> String {
        self.handle.render()
    }

    /// Folds samples into the histograms. Until then each takes memory, so it is called every [`Metrics::UPKEEP`].
    pub fn upkeep(&self) {
        self.handle.run_upkeep();
    }

    /// How often [`Metrics::upkeep`] is called.
    pub const UPKEEP: Duration = Duration::from_secs(5);
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

fn refusal_codes() -> impl Iterator<Item = RefusalCode> {
    (0..).map_while(|code| RefusalCode::try_from(code).ok())
}

struct Series<'a>(&'a PrometheusRecorder);

const METADATA: Metadata<'static> = Metadata::new(module_path!(), Level::INFO, None);

impl Series<'_> {
    fn counter(&self, name: &'static str, label: Option<(&'static str, &'static str)>) -> Counter {
        let labels = label.map(|(name, value)| Label::from_static_parts(name, value)).into_iter().collect::<Vec<_>>();
        let counter = self.0.register_counter(&Key::from_parts(name, labels), &METADATA);
        counter.increment(0);
        counter
    }

    fn gauge(&self, name: &'static str, help: &'static str) -> Gauge {
        self.0.describe_gauge(name.into(), None, help.into());
        let gauge = self.0.register_gauge(&Key::from_static_name(name), &METADATA);
        gauge.set(0.0);
        gauge
    }

    fn labelled_gauge(&self, name: &'static str, help: &'static str, (label, value): (&'static str, &'static str)) -> Gauge {
        self.0.describe_gauge(name.into(), None, help.into());
        let gauge = self.0.register_gauge(&Key::from_parts(name, vec![Label::from_static_parts(label, value)]), &METADATA);
        gauge.set(0.0);
        gauge
    }

    fn histogram(&self, name: &'static str, help: &'static str) -> Histogram {
        self.0.describe_histogram(name.into(), None, help.into());
        self.0.register_histogram(&Key::from_static_name(name), &METADATA)
    }
}
