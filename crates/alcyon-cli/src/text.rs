//! Everything that people read, in every language, in one place. `--help` and `--json` are English only.

pub(crate) mod content;
pub(crate) mod devices;
mod english;
pub(crate) mod files;
mod french;
pub(crate) mod group;
pub(crate) mod reporting;
pub(crate) mod shelf;
pub(crate) mod slash;

pub(crate) use french::failure as french_failure;

/// The languages there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Language {
    English,
    French,
}

/// What can be said. What comes in has been made harmless.
#[derive(Debug, Clone, Copy)]
#[allow(clippy::enum_variant_names)] // each is named for what it says
pub(crate) enum Text<'a> {
    // commands
    Welcome { handle: &'a str },
    AccountIs { account: &'a str },
    NoName,
    NoPicture,
    HasPicture,
    WordsTitle,
    WordsAdvice,
    NextSteps { handle: &'a str },
    NoConversations,
    NoRequests,
    RequestHint,
    RequestConfirmed,
    RequestUnconfirmed,
    Sent,
    Queued,
    Accepted { who: &'a str },
    AcceptedHere,
    Declined,
    Blocked { who: &'a str },
    Unblocked { who: &'a str },
    HasLeft { who: &'a str },
    HistoryCame { who: &'a str },
    NothingNew,
    StillQueued { count: usize },
    StillWaiting { count: usize, seconds: u64 },
    NoMessages,
    CompareNumbers { who: &'a str },
    Listening,
    DeliveredTo { who: &'a str },
    NotSent { who: &'a str },
    TryAgainIn { seconds: u64 },
    // progress
    Registering,
    InLine { place: u64, waiting: u64, time: &'a str },
    AskInvite,
    AskEmail,
    AskPhone,
    AskCode { to: &'a str },
    AskCodeAgain { to: &'a str },
    Seconds { count: u64 },
    Minutes { count: u64 },
    Hours { count: u64 },
    Contacting,
    Fetching,
    Sending,
    // key
    AskPassphrase,
    AskNewPassphrase,
    AskAgain,
    // standing, in lists
    StandingAsked,
    StandingLeft,
    StandingJoining,
    StandingBlocked,
    Unread { count: u64 },
    You,
    // connection
    Connecting,
    Online,
    WaitingSeconds { seconds: u64 },
    // alarms
    AlarmBroken,
    AlarmForked,
    AlarmServerRestored,
    AlarmProfileRestored,
    AlarmHandleChanged,
    AlarmGap,
    AlarmUnreadable,
    AlarmUnknown,
    AlarmInInbox,
    // chat
    Today,
    Yesterday,
    RequestsTitle,
    ConversationsTitle,
    NobodyYet,
    NobodyYetHint,
    ChooseConversation,
    WriteHere,
    NotAcceptedYet,
    TheyLeft,
    TheyAreBlocked,
    ComingIn,
    HintsList,
    HintsComposer,
    HintsRequest,
    NewHere,
    NewBelow { count: usize },
    TooSmall,
    RequestFrom { who: &'a str },
    AcceptKey,
    DeclineKey,
    BlockKey,
    CancelKey,
    CloseKey,
    YesKey,
    RunKey,
    LetInKey,
    DoNotLetInKey,
    NewTitle,
    HandleLabel,
    HandleExample,
    MessageLabel,
    NewKey,
    LookingUp,
    HandleMalformed,
    TextMissing,
    BlockTitle,
    BlockQuestion { who: &'a str },
    SafetyTitle { who: &'a str },
    SafetyAdvice,
    SafetyNoRoom,
    Working,
    ProblemTitle,
    HelpTitle,
    HelpKeys,
    // welcome screen
    WelcomeTitle,
    WelcomeText,
    ServerLabel,
    ServerExample,
    ServerMalformed,
    NameLabel,
    NameExample,
    NameMalformed,
    CreateKey,
    QuitShort,
    WordsChatAdvice,
    WordsWritten,
    WordsSure,
    WordsSureKey,
    WordsBackKey,
}

impl Language {
    /// The text in this language.
    pub(crate) fn say(self, text: Text<'_>) -> String {
        match self {
            Self::English => english::say(text),
            Self::French => french::say(text),
        }
    }

    /// Monday is 0.
    pub(crate) fn weekday(self, number: u8) -> &'static str {
        let names = match self {
            Self::English => ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"],
            Self::French => ["lundi", "mardi", "mercredi", "jeudi", "vendredi", "samedi", "dimanche"],
        };
        names.get(usize::from(number)).copied().unwrap_or_default()
    }

    /// January is 1.
    pub(crate) fn month(self, number: u8) -> &'static str {
        let names = match self {
            Self::English => {
                ["January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December"]
            }
            Self::French => {
                ["janvier", "février", "mars", "avril", "mai", "juin", "juillet", "août", "septembre", "octobre", "novembre", "décembre"]
            }
        };
        names.get(usize::from(number).wrapping_sub(1)).copied().unwrap_or_default()
    }
}
