//! ejabberd, as Debian packages it: the modules that the rows need and no others, its limits lifted.

use std::{fs, path::Path, process::Command};

use anyhow::Context;

use super::instance::Setting;

/// Debian's start script. It is read, not run: it would start a port mapper that stays, and change the user.
const SCRIPT: &str = "/usr/sbin/ejabberdctl";

/// Its version, as the package manager says it.
pub const PACKAGE: &str = "ejabberd";

/// What starts it in the foreground. It is one node without a cluster, so the distribution of Erlang is left off.
pub fn command(setting: &Setting<'_>) -> anyhow::Result<Command> {
    let Setting { folder, plain: _, tls: _, certificate: _ } = setting;
    let configuration = folder.join("ejabberd.yml");
    fs::write(&configuration, self::configuration(setting))?;
    let script = fs::read_to_string(SCRIPT).with_context(|| format!("{SCRIPT} (package {PACKAGE})"))?;
    let mut command = Command::new("erl");
    // The script's own flags, and no waiting in a loop, which would count as work: that is in its favour.
    command.args(["-noinput", "+K", "true", "+P", "250000", "+sbwt", "none", "+sbwtdcpu", "none", "+sbwtdio", "none"]);
    command.arg("-mnesia").arg("dir").arg(erlang_string(&folder.join("mnesia"))).args(["-s", "ejabberd"]);
    command.env("ERL_LIBS", libraries(&script).context("no ERL_LIBS in the start script")?);
    command.env("EJABBERD_CONFIG_PATH", configuration).env("EJABBERD_LOG_PATH", folder.join("ejabberd.log"));
    command.env("ERL_CRASH_DUMP_BYTES", "0").env("ERL_MAX_PORTS", "65536").env("HOME", folder);
    Ok(command)
}

fn libraries(script: &str) -> Option<&str> {
    script.lines().find_map(|line| line.strip_prefix("ERL_LIBS=")).map(|value| value.trim_matches(['\'', '"']))
}

fn erlang_string(path: &Path) -> String {
    format!("\"{}\"", path.display().to_string().replace('\\', "\\\\").replace('"', "\\\""))
}

fn configuration(setting: &Setting<'_>) -> String {
    let Setting { folder: _, plain, tls, certificate } = setting;
    let (plain, tls, certificate) = (plain.port(), tls.port(), certificate.display());
    format!(
        r#"hosts: ["localhost"]
loglevel: error
log_rotate_count: 0
certfiles: ["{certificate}"]
listen:
  - {{port: {plain}, ip: "127.0.0.1", module: ejabberd_c2s, max_stanza_size: 262144, shaper: none, access: all, backlog: 1024}}
  - {{port: {tls}, ip: "127.0.0.1", module: ejabberd_c2s, max_stanza_size: 262144, shaper: none, access: all, backlog: 1024, tls: true}}
auth_method: [internal]
auth_password_format: scram
auth_scram_hash: sha256
registration_timeout: infinity
access_rules:
  everybody: {{allow: all}}
shaper_rules:
  max_user_offline_messages: {{1000000: all}}
modules:
  mod_disco: {{}}
  mod_muc: {{access: everybody, access_create: everybody}}
  mod_offline: {{access_max_user_messages: max_user_offline_messages}}
  mod_ping: {{}}
  mod_register: {{access: everybody, ip_access: all}}
  mod_roster: {{}}
  mod_stream_mgmt: {{}}
"#
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_libraries_stand_in_the_start_script() {
        assert_eq!(libraries("S=1\nERL_LIBS='/usr/lib/x86_64-linux-gnu'\nX=2\n"), Some("/usr/lib/x86_64-linux-gnu"));
        assert_eq!(libraries("S=1\n"), None);
    }

    #[test]
    fn a_path_is_quoted_for_erlang() {
        assert_eq!(erlang_string(Path::new("/a \"b\"\\c")), r#""/a \"b\"\\c""#);
    }
}
