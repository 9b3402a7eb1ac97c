//! Accounts, as an operator sees them: how many, whether a name is one, and the three acts.

use alcyon_wire::{AccountId, Handle, HandleName};

use super::request::{AccountShown, Act, AdminAnswer};
use crate::{
    directory::{AccountFacts, Directory, DirectoryError, Moderation},
    store::Store,
};

/// Why a command about accounts was not carried out.
#[derive(Debug, thiserror::Error)]
pub(super) enum AccountError {
    /// Neither a name, nor a handle, nor an account id.
    #[error("{0:?} is no name, handle or account id")]
    NoName(String),
    /// Nobody here is called that.
    #[error("nobody here is called that")]
    Nobody,
    /// The directory says no.
    #[error(transparent)]
    Directory(#[from] DirectoryError),
}

/// How many there are. Reads all records.
pub(super) fn count<S: Store>(directory: &Directory<S>) -> Result<AdminAnswer, AccountError> {
    let (accounts, suspended) = directory.count_accounts()?;
    Ok(AdminAnswer::Accounts { accounts, suspended })
}

/// One of them, by name, handle or id.
pub(super) fn show<S: Store>(directory: &Directory<S>, who: &str) -> Result<(AccountId, AccountShown), AccountError> {
    let account = find(directory, who)?;
    let AccountFacts { devices, signed_up_ms, suspended_ms } = directory.account(account)?.ok_or(AccountError::Nobody)?;
    Ok((account, AccountShown { account: account.to_text(), signed_up_ms, devices, suspended_ms }))
}

impl From<Act> for Moderation {
    fn from(act: Act) -> Self {
        match act {
            Act::Suspend => Self::Suspend,
            Act::Restore => Self::Restore,
            Act::Delete => Self::Delete,
        }
    }
}

fn find<S: Store>(directory: &Directory<S>, who: &str) -> Result<AccountId, AccountError> {
    if let Ok(account) = AccountId::from_text(who, "account") {
        return Ok(account);
    }
    let name = match who.parse::<Handle>() {
        Ok(handle) if handle.server() == directory.server_name() => handle.name().clone(),
        Ok(_elsewhere) => return Err(AccountError::Nobody),
        Err(_) => who.parse::<HandleName>().map_err(|_| AccountError::NoName(who.to_owned()))?,
    };
    directory.account_of_name(&name)?.ok_or(AccountError::Nobody)
}
