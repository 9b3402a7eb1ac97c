use alcyon_wire::Request;

/// What is served first, best first (design section 6). The order of the variants is the order of service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    /// Acknowledgements and live delivery; never refused.
    Live,
    /// Appends by those who are talking.
    Append,
    /// Coming back: connections, and the logs to follow.
    Resume,
    /// Commits, coming in, trees, knocks, KeyPackages to begin with.
    Commit,
    /// Files.
    Blob,
    /// Directory, profiles, search, signals of the moment.
    Directory,
    /// New accounts.
    SignUp,
}

impl Class {
    /// All, best first.
    pub const ALL: [Self; 7] = [Self::Live, Self::Append, Self::Resume, Self::Commit, Self::Blob, Self::Directory, Self::SignUp];

    /// Its place in [`Class::ALL`].
    #[must_use]
    pub fn index(self) -> usize {
        self as usize
    }

    /// The word in metrics.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Append => "append",
            Self::Resume => "resume",
            Self::Commit => "commit",
            Self::Blob => "blob",
            Self::Directory => "directory",
            Self::SignUp => "sign_up",
        }
    }

    /// The share of what the server can do that this class keeps whatever those before it ask for (design section 6).
    #[must_use]
    pub fn floor(self) -> f64 {
        match self {
            Self::Resume => 0.10,
            Self::Commit => 0.05,
            Self::SignUp => 0.02,
            Self::Live | Self::Append | Self::Blob | Self::Directory => 0.0,
        }
    }

    /// What a request takes, in appends, roughly, as `docs/benchmarks.md` has it. It shapes the shares; how much all of it may
    /// be is measured.
    #[must_use]
    pub fn weight(self) -> u32 {
        match self {
            Self::Live => 0,
            Self::Append => 1,
            Self::Commit => 2,
            Self::Blob | Self::Directory => 4,
            Self::Resume => 3,
            Self::SignUp => 12,
        }
    }

    /// The class of a frame.
    #[must_use]
    pub fn of(request: &Request) -> Self {
        match request {
            Request::Hello { .. } | Request::Ack { .. } | Request::Credit { .. } | Request::Ping | Request::Unsubscribe { .. } => {
                Self::Live
            }
            Request::Append { .. } => Self::Append,
            Request::Subscribe { .. } => Self::Resume,
            Request::Create { .. }
            | Request::Commit { .. }
            | Request::Close { .. }
            | Request::Leave { .. }
            | Request::Knock { .. }
            | Request::SetPasses { .. }
            | Request::PutTree { .. }
            | Request::GetTree { .. }
            | Request::GetEntries { .. } => Self::Commit,
            Request::Publish { .. } => Self::Directory,
        }
    }
}
