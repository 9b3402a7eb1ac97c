//! What is said about the devices of an account, in every language.

use super::Language;

/// What can be said.
#[derive(Debug, Clone, Copy)]
pub(crate) enum DeviceText<'a> {
    NoteToSelf,
    // linking, on the new device
    CodeAdvice,
    NumberIs { number: &'a str, handle: &'a str },
    Linked { handle: &'a str },
    // on the one that is in
    Asks { name: &'a str, number: &'a str },
    SameNumber,
    Added { name: &'a str },
    Refused { name: &'a str },
    // lists
    This,
    Since { when: &'a str },
    Unnamed,
    Named { name: &'a str },
    ReallyRemove { name: &'a str },
    Gone { name: &'a str },
    // this one was removed
    Removed,
}

impl Language {
    pub(crate) fn say_of_devices(self, text: DeviceText<'_>) -> String {
        match self {
            Self::English => english(text),
            Self::French => french(text),
        }
    }
}

fn english(text: DeviceText<'_>) -> String {
    match text {
        DeviceText::NoteToSelf => "Note to self",
        DeviceText::CodeAdvice => {
            "Give this code to a device that is in the account (alcyon device add CODE). Show it to nobody else. Waiting ..."
        }
        DeviceText::NumberIs { number, handle } => {
            return format!("{handle} answers. The number there has to be {number}. If it is another one, say no there.");
        }
        DeviceText::Linked { handle } => return format!("This is a device of {handle} from now on. alcyon sync fetches what there is."),
        DeviceText::Asks { name, number } => return format!("The new device “{name}” has to show this number: {number}"),
        DeviceText::SameNumber => "It gets everything that this device has. Does it show the same number? [y/N]",
        DeviceText::Added { name } => return format!("“{name}” is a device of this account from now on."),
        DeviceText::Refused { name } => return format!("“{name}” was not taken in; it has nothing of this account."),
        DeviceText::This => "this one",
        DeviceText::Since { when } => return format!("since {when}"),
        DeviceText::Unnamed => "without a name",
        DeviceText::Named { name } => return format!("It is called “{name}” from now on."),
        DeviceText::ReallyRemove { name } => return format!("Remove “{name}” from this account? It reads nothing any more. [y/N]"),
        DeviceText::Gone { name } => return format!("“{name}” is no device of this account any more."),
        DeviceText::Removed => "This device was removed from the account by another one. It hears and sends nothing any more.",
    }
    .to_owned()
}

fn french(text: DeviceText<'_>) -> String {
    match text {
        DeviceText::NoteToSelf => "Notes pour moi",
        DeviceText::CodeAdvice => {
            "Donnez ce code à un appareil du compte (alcyon device add CODE). Ne le montrez à personne d'autre. En attente..."
        }
        DeviceText::NumberIs { number, handle } => {
            return format!("{handle} répond. Le nombre affiché là-bas doit être {number}. Si c'en est un autre, refusez là-bas.");
        }
        DeviceText::Linked { handle } => {
            return format!("C'est désormais un appareil de {handle}. alcyon sync récupère ce qu'il y a.");
        }
        DeviceText::Asks { name, number } => return format!("Le nouvel appareil « {name} » doit montrer ce nombre : {number}"),
        DeviceText::SameNumber => "Il reçoit tout ce que cet appareil a. Montre-t-il le même nombre ? [o/N]",
        DeviceText::Added { name } => return format!("« {name} » est désormais un appareil de ce compte."),
        DeviceText::Refused { name } => return format!("« {name} » n'a pas été admis ; il n'a rien de ce compte."),
        DeviceText::This => "celui-ci",
        DeviceText::Since { when } => return format!("depuis le {when}"),
        DeviceText::Unnamed => "sans nom",
        DeviceText::Named { name } => return format!("Il s'appelle désormais « {name} »."),
        DeviceText::ReallyRemove { name } => return format!("Retirer « {name} » de ce compte ? Il ne lira plus rien. [o/N]"),
        DeviceText::Gone { name } => return format!("« {name} » n'est plus un appareil de ce compte."),
        DeviceText::Removed => "Cet appareil a été retiré du compte par un autre. Il ne reçoit et n'envoie plus rien.",
    }
    .to_owned()
}
