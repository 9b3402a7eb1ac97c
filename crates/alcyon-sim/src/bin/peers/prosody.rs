//! prosody, as Debian packages it: the modules that the rows need and no others, its limits lifted.

use std::{fs, process::Command};

use super::instance::Setting;

/// Its version, as the package manager says it.
pub const PACKAGE: &str = "prosody";

/// What starts it in the foreground.
pub fn command(setting: &Setting<'_>) -> anyhow::Result<Command> {
    let Setting { folder, plain: _, tls: _, certificate: _ } = setting;
    fs::create_dir_all(folder.join("data"))?;
    let configuration = folder.join("prosody.cfg.lua");
    fs::write(&configuration, self::configuration(setting))?;
    let mut command = Command::new("prosody");
    command.arg("--config").arg(configuration).arg("-F");
    Ok(command)
}

fn configuration(setting: &Setting<'_>) -> String {
    let Setting { folder, plain, tls, certificate } = setting;
    let (folder, plain, tls, certificate) = (folder.display(), plain.port(), tls.port(), certificate.display());
    format!(
        r#"run_as_root = true
pidfile = "{folder}/prosody.pid"
data_path = "{folder}/data"
log = {{ warn = "{folder}/prosody.log" }}
interfaces = {{ "127.0.0.1" }}
c2s_ports = {{ {plain} }}
c2s_direct_tls_ports = {{ {tls} }}
ssl = {{ certificate = "{certificate}", key = "{certificate}" }}
modules_enabled = {{ "disco", "ping", "register", "roster", "saslauth", "smacks", "tls" }}
modules_disabled = {{ "s2s" }}
c2s_require_encryption = false
authentication = "internal_hashed"
password_hash = "SHA-256"
allow_registration = true
VirtualHost "localhost"
Component "conference.localhost" "muc"
  muc_room_locking = false
"#
    )
}
