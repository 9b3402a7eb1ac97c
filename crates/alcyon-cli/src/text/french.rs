use alcyon_client::{ClientError, IntroductionRule, TransportError};
use alcyon_files::FileError;
use alcyon_store::StoreError;

use super::Text;
use crate::failure::Failure;

#[allow(clippy::too_many_lines, reason = "one line a text")]
pub(super) fn say(text: Text<'_>) -> String {
    match text {
        Text::Welcome { handle } => return format!("Bienvenue, {handle}."),
        Text::NoName => "sans nom",
        Text::NoPicture => "sans photo",
        Text::HasPicture => "avec une photo",
        Text::AccountIs { account } => return format!("compte {account}"),
        Text::WordsTitle => "Vos mots de secours",
        Text::WordsAdvice => {
            "Ces douze mots sont votre compte. Notez-les tout de suite sur papier : ils ne sont montrés qu'une fois et\nconservés nulle part. Qui les a, a le compte ; sans eux, un appareil perdu est un compte perdu."
        }
        Text::NextSteps { handle } => {
            return format!("Donnez votre identifiant aux autres : {handle}. Ensuite :\n  alcyon start IDENTIFIANT « Bonjour »   pour écrire à quelqu'un\n  alcyon                                 pour ouvrir la messagerie");
        }
        Text::NoConversations => "Pas encore de conversation. Pour commencer : alcyon start IDENTIFIANT TEXTE",
        Text::NoRequests => "Aucune demande.",
        Text::RequestHint => "Pour répondre : alcyon accept ID, ou alcyon decline ID",
        Text::RequestConfirmed => "le serveur de cet identifiant confirme le compte",
        Text::RequestUnconfirmed => "PAS confirmé : ce peut être quelqu'un d'autre (le serveur de l'identifiant est interrogé si vous acceptez)",
        Text::Sent => "Envoyé.",
        Text::Queued => "En attente : le serveur est injoignable. Le message partira avec la prochaine commande qui se connecte.",
        Text::Accepted { who } => return format!("* {who} est là : la conversation est ouverte"),
        Text::AcceptedHere => "Accepté. La conversation est ouverte.",
        Text::Declined => "Refusé.",
        Text::Blocked { who } => return format!("Bloqué : {who}. Plus rien n'en est montré."),
        Text::Unblocked { who } => return format!("Débloqué : {who}."),
        Text::HasLeft { who } => return format!("* {who} a quitté la conversation"),
        Text::HistoryCame { who } => return format!("* ce qui s'est dit avant avec {who} est là"),
        Text::NothingNew => "Rien de nouveau.",
        Text::StillWaiting { count, seconds } => {
            return format!("Le serveur a trop à faire : prochain essai dans {seconds} s. En attente : {count}. Rien n'est perdu.");
        }
        Text::StillQueued { count: 1 } => "1 message est encore en attente.",
        Text::StillQueued { count } => return format!("{count} messages sont encore en attente."),
        Text::NoMessages => "Pas encore de message.",
        Text::CompareNumbers { who } => return format!("Comparez avec ce que voit {who}. Si tout est identique, personne n'est entre vous."),
        Text::Listening => "-- à l'écoute ; Ctrl+C pour arrêter",
        Text::DeliveredTo { who } => return format!("* remis à {who}"),
        Text::NotSent { who } => return format!("! un message à {who} n'est pas parti et ne partira pas ; écrivez-le à nouveau"),
        Text::TryAgainIn { seconds } => return format!(" ; réessayez dans {seconds} s"),
        Text::Registering => "création du compte ...",
        Text::InLine { place, waiting, time } => return format!("numéro {place} sur {waiting} dans la file ; encore {time} environ"),
        Text::AskInvite => "ce serveur accueille sur invitation ; la vôtre (rien pour un autre moyen) :",
        Text::AskEmail => "une adresse électronique où envoyer un code (rien pour un autre moyen) :",
        Text::AskPhone => "un numéro de téléphone où envoyer un code, comme +33612345678 (rien pour un autre moyen) :",
        Text::AskCode { to } => return format!("le code envoyé à {to} :"),
        Text::AskCodeAgain { to } => return format!("ce n'est pas cela ; le code envoyé à {to} :"),
        Text::Seconds { count } => return format!("{count} s"),
        Text::Minutes { count } => return format!("{count} min"),
        Text::Hours { count } => return format!("{count} h"),
        Text::Contacting => "demande au serveur ...",
        Text::Fetching => "réception ...",
        Text::Sending => "envoi ...",
        Text::AskPassphrase => "Phrase secrète de ce profil : ",
        Text::AskNewPassphrase => "Choisissez une phrase secrète pour ce profil : ",
        Text::AskAgain => "Encore une fois : ",
        Text::StandingAsked => "pas encore accepté",
        Text::StandingLeft => "parti",
        Text::StandingJoining => "entrée en cours",
        Text::StandingBlocked => "bloqué",
        Text::Unread { count: 0 | 1 } => "1 non lu",
        Text::Unread { count } => return format!("{count} non lus"),
        Text::You => "vous",
        Text::Connecting => "connexion",
        Text::Online => "connecté",
        Text::WaitingSeconds { seconds } => return format!("hors ligne, nouvel essai dans {seconds} s"),
        Text::AlarmBroken => "Le journal du serveur se contredit : quelque chose y a été omis, répété ou modifié.",
        Text::AlarmForked => "Le serveur montre à l'autre une autre histoire qu'à vous. Ne lui faites pas confiance.",
        Text::AlarmServerRestored => "Le serveur tourne sur une ancienne copie de ses données. Des messages peuvent y manquer.",
        Text::AlarmProfileRestored => "Ce profil est une ancienne copie. Ce qu'il a envoyé depuis ne peut être montré ici.",
        Text::AlarmHandleChanged => "Cet identifiant désigne un autre compte qu'avant. L'envoi est bloqué ; comparez les numéros de sûreté.",
        Text::AlarmGap => "Votre absence a duré plus que ce que garde le serveur : des messages manquent ici.",
        Text::AlarmUnreadable => "Un message illisible a été mis de côté.",
        Text::AlarmUnknown => "Quelque chose ne va pas, que cette version ne sait pas nommer. Mettez Alcyon à jour.",
        Text::AlarmInInbox => "votre boîte",
        Text::Today => "Aujourd'hui",
        Text::Yesterday => "Hier",
        Text::RequestsTitle => "Demandes",
        Text::ConversationsTitle => "Conversations",
        Text::NobodyYet => "Personne ici pour l'instant.",
        Text::NobodyYetHint => "Appuyez sur n pour écrire à quelqu'un.",
        Text::ChooseConversation => "Choisissez une conversation avec les flèches et Entrée.",
        Text::WriteHere => "Écrivez un message",
        Text::NotAcceptedYet => "Pas encore accepté. Vous pouvez écrire ; ce sera lu une fois accepté.",
        Text::TheyLeft => "L'autre est parti. On ne peut plus écrire ici.",
        Text::TheyAreBlocked => "Bloqué. Appuyez sur b dans la liste pour débloquer.",
        Text::ComingIn => "Entrée en cours ...",
        Text::HintsList => "↑↓ choisir  Entrée ouvrir  n nouveau  / commande  ? aide  q quitter",
        Text::HintsComposer => "Entrée envoyer  Alt+Entrée à la ligne  / commande  Échap liste  F1 aide",
        Text::HintsRequest => "a accepter  d refuser  b bloquer  ? aide  q quitter",
        Text::NewHere => "Nouveau",
        Text::NewBelow { count: 1 } => "1 nouveau message plus bas",
        Text::NewBelow { count } => return format!("{count} nouveaux messages plus bas"),
        Text::TooSmall => "fenêtre trop petite",
        Text::RequestFrom { who } => return format!("{who} voudrait vous parler"),
        Text::AcceptKey => "Accepter (a)",
        Text::DeclineKey => "Refuser (d)",
        Text::BlockKey => "Bloquer (b)",
        Text::CancelKey => "Annuler (Échap)",
        Text::CloseKey => "Fermer (Échap)",
        Text::YesKey => "Oui (y)",
        Text::RunKey => "Exécuter (Entrée)",
        Text::LetInKey => "Laisser entrer (a)",
        Text::DoNotLetInKey => "Refuser (d)",
        Text::NewTitle => "Nouvelle conversation",
        Text::HandleLabel => "Identifiant",
        Text::HandleExample => "ben@chat.example.org",
        Text::MessageLabel => "Premier message",
        Text::NewKey => "Envoyer (Entrée)",
        Text::LookingUp => "Recherche ...",
        Text::HandleMalformed => "Un identifiant ressemble à nom@serveur.example",
        Text::TextMissing => "Écrivez quelque chose : c'est ce que l'autre verra d'abord.",
        Text::BlockTitle => "Bloquer",
        Text::BlockQuestion { who } => return format!("Ne plus rien recevoir de {who} ? Rien ne lui est dit. Vous pourrez débloquer."),
        Text::SafetyTitle { who } => return format!("Numéro de sûreté avec {who}"),
        Text::SafetyAdvice => "Comparez avec ce que voit l'autre, côte à côte ou lors d'un appel. Si tout est identique, personne n'est entre vous.",
        Text::SafetyNoRoom => "(une fenêtre plus grande montre un code à scanner)",
        Text::Working => "Un instant ...",
        Text::ProblemTitle => "Cela n'a pas marché",
        Text::HelpTitle => "Aide",
        Text::HelpKeys => {
            "Dans la liste\n↑ ↓ j k|choisir\nEntrée, →|ouvrir\nn, Ctrl+N|nouvelle conversation\nCtrl+F|chercher des messages\ns|numéro de sûreté\nb|bloquer ou débloquer\nm, p, e|sourdine, épingler, archiver ; ou l'inverse\nu|marquer comme non lue\ng|membres d'un groupe\n/|une commande\na, d|accepter, refuser une demande\nq|quitter\n\nEn écrivant\nEntrée|envoyer\nAlt+Entrée, Ctrl+J|à la ligne\n↑ ↓|déplacer ; au bord, textes passés\nPg↑ Pg↓|défiler les messages\nAlt+↑ Alt+↓|autre conversation\nCtrl+R|récrire un message échoué\n/|une commande ; Tab la complète\nTab, Échap|vers la liste\nCtrl+C|quitter\n\nMarques\n{queued}|attend le serveur\n{sent}|le serveur l'a\n{delivered}|l'autre l'a\n{read}|quelqu\'un l\'a lu\n{failed}|ne partira pas"
        }
        Text::WelcomeTitle => "Bienvenue dans Alcyon",
        Text::WelcomeText => "Des messages privés qu'aucun serveur ne peut lire. Ni numéro de téléphone, ni carnet d'adresses : un compte est un nom sur un serveur que vous choisissez.",
        Text::ServerLabel => "Serveur",
        Text::ServerExample => "https://chat.example.org",
        Text::ServerMalformed => "Un serveur ressemble à https://chat.example.org",
        Text::NameLabel => "Nom",
        Text::NameExample => "3 à 32 parmi a-z 0-9 . _ -",
        Text::NameMalformed => "Un nom a 3 à 32 caractères parmi a-z 0-9 . _ -",
        Text::CreateKey => "Créer le compte (Entrée)",
        Text::QuitShort => "Quitter (Échap)",
        Text::WordsChatAdvice => {
            "Ces douze mots sont votre compte. Notez-les tout de suite sur papier : ils ne sont montrés qu'une fois et conservés nulle part. Sans eux, un appareil perdu est un compte perdu."
        }
        Text::WordsWritten => "Je les ai notés (Entrée)",
        Text::WordsSure => "Sont-ils sur papier, tous les douze, dans l'ordre ? Ils ne seront plus montrés.",
        Text::WordsSureKey => "Oui, continuer (y)",
        Text::WordsBackKey => "Les revoir (Échap)",
    }
    .to_owned()
}

/// Errors that people meet, in French; what only a fault of a program can bring about stays as it is.
pub(crate) fn failure(failure: &Failure) -> String {
    match failure {
        Failure::Client(error) => client(error),
        Failure::Store(error) => store(error),
        Failure::File { path, error } => return format!("{path} : {error}"),
        Failure::NoFile(path) => return format!("{path} n'est pas un fichier"),
        Failure::Metadata { path, error } => {
            let why = match error {
                alcyon_image::ImageError::Opaque { kind } => format!("ce qu'une image {kind} dit du lieu et de l'appareil ne peut être retiré ici"),
                _ => "cette image est abîmée".to_owned(),
            };
            return format!("{path} : {why} ; --keep-metadata l'envoie telle quelle");
        }
        Failure::NoPicture { path, .. } => {
            return format!("{path} n'est pas une image (JPEG, PNG, WebP, GIF) de la taille voulue ; un autocollant a au plus 512 pixels de côté et 256 Kio");
        }
        Failure::NoVoice(path) => return format!("{path} n'est pas un message vocal : Opus dans Ogg"),
        Failure::Exists(path) => return format!("{path} existe déjà ; --force le remplace"),
        Failure::NotCarried(why) => return format!("le fichier n'a pas été transporté : {why}"),
        Failure::SomeUnreachable(count) => return format!("{count} des serveurs sont injoignables ; le reste est fait"),
        Failure::NoProfile(directory) => return format!("il n'y a pas encore de profil dans {directory} ; commencez par « alcyon register »"),
        Failure::ForeignDirectory(directory) => return format!("{directory} contient autre chose qu'un profil Alcyon ; rien n'a été modifié"),
        Failure::DamagedProfile(why) => {
            return format!("le profil est endommagé ({why}) ; rien n'a été modifié, restaurez-le depuis une copie");
        }
        Failure::NewerProfile { found, known } => {
            return format!("ce profil vient d'une version plus récente d'Alcyon (format {found}, ce programme connaît {known})");
        }
        Failure::NoPassphrase => {
            Some("ce profil demande une phrase secrète : donnez ALCYON_PASSPHRASE, ou lancez alcyon dans un terminal, qui la demandera".to_owned())
        }
        Failure::NoKeySource => Some(
            "il n'y a pas de trousseau système pour la clé du profil : donnez ALCYON_PASSPHRASE, ou lancez alcyon dans un terminal, qui demandera une phrase secrète".to_owned(),
        ),
        Failure::EmptyPassphrase => Some("la phrase secrète est vide ; donnez une valeur à ALCYON_PASSPHRASE, ou supprimez-la".to_owned()),
        Failure::PassphrasesDiffer => Some("les deux phrases secrètes diffèrent ; rien n'a été créé".to_owned()),
        Failure::Keyring(why) => return format!("le trousseau système ne donne pas la clé de ce profil : {why}"),
        Failure::InputNotText => Some("l'entrée standard n'est pas du texte UTF-8".to_owned()),
        Failure::NoTerminal => {
            Some("la messagerie demande un terminal ; dans un script, utilisez les autres commandes (alcyon --help)".to_owned())
        }
        Failure::NoLink => Some("le texte n'a pas de lien vers une page".to_owned()),
        Failure::Preview(error) => return format!("pas d'aperçu ({error}) ; rien n'a été envoyé"),
        Failure::NoSuchCommand(name) => return format!("il n'y a pas de commande {name}"),
        Failure::Net(_) | Failure::Io(_) => None,
    }
    .unwrap_or_else(|| failure.to_string())
}

fn client(error: &ClientError) -> Option<String> {
    Some(match error {
        ClientError::NoAccount => "ce profil n'a pas encore de compte ; créez-en un d'abord".to_owned(),
        ClientError::HasAccount => "ce profil a déjà un compte".to_owned(),
        ClientError::Unknown { field: _, what } => format!("rien ici ne s'appelle {what}"),
        ClientError::NoSuchHandle(handle) => format!("aucun compte n'a l'identifiant {handle}"),
        ClientError::HandleTaken(handle) => format!("l'identifiant {handle} est pris"),
        ClientError::InLine { place, wait_ms: _ } => {
            format!(
                "beaucoup s'inscrivent en ce moment : vous êtes numéro {place} ; votre place est gardée, relancez la commande pour continuer"
            )
        }
        ClientError::ProofNeeded { ways } => format!("ce serveur demande aux nouveaux venus : {ways}"),
        ClientError::CodeSent { to } => format!("un code a été envoyé à {to} ; relancez la commande avec --code"),
        ClientError::HandleChanged { handle } => format!("{handle} désigne un autre compte qu'avant ; rien n'a été envoyé"),
        ClientError::Blocked(handle) => format!("{handle} est bloqué ; débloquez d'abord"),
        ClientError::Left => "cette conversation est terminée : quittée, refusée ou close".to_owned(),
        ClientError::NotAllowed { rule } => format!("non permis : {}", group_rule(rule)),
        ClientError::AlreadyIn(handle) => format!("{handle} y est déjà"),
        ClientError::NotInYet => "cet appareil n'est pas encore entré dans le groupe".to_owned(),
        ClientError::InviteOver => {
            "l'invitation ou le lien n'est plus valable : utilisé, fermé, expiré, ou pour quelqu'un d'autre".to_owned()
        }
        ClientError::TooManyAtOnce { limit, actual } => format!("on invite au plus {limit} personnes à la fois, pas {actual}"),
        ClientError::TextTooLong { limit, actual } => {
            format!("au plus {limit} octets de texte tiennent ici, ceci en a {actual}")
        }
        ClientError::NoDay(day) => format!("{day} n'est pas un jour : on écrit 2026-11-22"),
        ClientError::EmptyText => "le texte est vide".to_owned(),
        ClientError::File(error) => return file(error),
        ClientError::Room(why) => format!("un fichier en route ne peut pas être gardé sur cet appareil : {why}"),
        ClientError::NotFetched => "ce fichier n'est pas encore sur cet appareil".to_owned(),
        ClientError::CodeOver => "ce code n'est plus valable, ou n'est pas celui que montre le nouvel appareil".to_owned(),
        ClientError::CodeUsed => "ce code a déjà servi ; montrez-en un nouveau sur le nouvel appareil".to_owned(),
        ClientError::NoAnswer => "le nouvel appareil ne répond pas ; il doit être en train de montrer son code".to_owned(),
        ClientError::LinkRefused => "l'autre appareil a refusé".to_owned(),
        ClientError::BadIntroduction(IntroductionRule::NameTooLong) => "un nom a au plus 64 caractères et 256 octets".to_owned(),
        ClientError::BadIntroduction(IntroductionRule::NameHidden) => "un nom n'a pas de caractères invisibles".to_owned(),
        ClientError::BadIntroduction(IntroductionRule::Picture) => {
            "une photo est un fichier JPEG d'au plus 4 Kio et 512 pixels de côté".to_owned()
        }
        ClientError::TooManyDevices { limit } => format!("un compte a au plus {limit} appareils ; retirez-en un d'abord"),
        ClientError::DeviceRemoved => "cet appareil a été retiré de son compte par un autre appareil".to_owned(),
        ClientError::NoDevices(handle) => format!("{handle} n'a pas encore d'appareil à qui écrire"),
        ClientError::Transport(TransportError::Unreachable(why)) => format!("le serveur est injoignable : {why}"),
        ClientError::Transport(TransportError::TimedOut) => "le serveur n'a pas répondu à temps".to_owned(),
        ClientError::Transport(TransportError::Closed) => "la connexion a été coupée".to_owned(),
        ClientError::Transport(TransportError::Later { after_ms }) => {
            format!("le serveur a trop à faire ; il peut être sollicité à nouveau dans {} s", after_ms.div_ceil(1000))
        }
        ClientError::Transport(TransportError::Insecure(server)) => format!("{server} n'est pas cette machine et n'a pas https : refusé"),
        ClientError::Refused { message, .. } => format!("le serveur refuse : {message}"),
        ClientError::Unbelievable(why) => format!("la réponse du serveur n'est pas crédible : {why}"),
        ClientError::Store(error) => return store(error),
        _ => return None,
    })
}

/// The rules that people meet; the others are met by broken programs only.
fn group_rule(rule: &str) -> &str {
    match rule.split(':').next() {
        Some("rule 5") => "règle 5 : seul un admin retire quelqu'un d'autre",
        Some("rule 7") => "règle 7 : trop de comptes, d'appareils ou d'invitations et de liens ouverts",
        Some("rule 9") => "règle 9 : cette invitation ou ce lien n'est pas à vous de l'ouvrir ou de le fermer",
        Some("rule 10") => "règle 10 : seul un admin le peut, et les membres ce que les réglages leur permettent",
        _ => rule,
    }
}

fn file(error: &FileError) -> Option<String> {
    Some(match error {
        FileError::TooLarge { actual, limit } => format!("le fichier a {actual} octets ; on en envoie au plus {limit}"),
        FileError::Changed => "le fichier a changé pendant la lecture".to_owned(),
        FileError::Io(_) | FileError::Random(_) => return None,
        _ => "le fichier reçu n'est pas celui qui a été envoyé ; il a été jeté".to_owned(),
    })
}

fn store(error: &StoreError) -> Option<String> {
    Some(match error {
        StoreError::WrongKey => "la phrase secrète n'ouvre pas ce profil".to_owned(),
        StoreError::Busy => "un autre programme utilise ce profil".to_owned(),
        StoreError::NotAProfile(why) => format!("ce n'est pas un profil Alcyon, ou il est endommagé : {why}"),
        StoreError::Newer { found, known } => {
            format!("ce profil vient d'une version plus récente (format {found}, ce programme connaît {known})")
        }
        StoreError::DiskFull => "le disque est plein".to_owned(),
        _ => return None,
    })
}
