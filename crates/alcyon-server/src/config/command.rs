use std::{ffi::OsString, path::PathBuf};

use clap::{Arg, ArgAction, ArgMatches, Command, ValueHint, parser::ValueSource};

use crate::operator::command::{self as admin, AdminCommand};

use super::{Config, ConfigError, Kind, Origin, SETTINGS, Setting, Values, file};

/// What the command line asks for.
#[derive(Debug, PartialEq)]
pub enum Invocation {
    /// Run with this configuration.
    Serve(Box<Config>),
    /// Ask a running server. The folder is its data directory.
    Admin(Box<AdminCommand>, PathBuf),
    /// Print a completion script for this shell.
    Completions(clap_complete::Shell),
    /// Print the man page.
    Man,
}

/// The command line, made from [`SETTINGS`].
#[must_use]
pub fn command() -> Command {
    let config = Arg::new("config")
        .long("config")
        .value_name("FILE")
        .value_hint(ValueHint::FilePath)
        .value_parser(clap::value_parser!(PathBuf))
        .help("Configuration file (TOML); its keys are the settings below, sections as tables [env: ALCYON_CONFIG]");
    let completions = Arg::new("completions")
        .long("completions")
        .value_name("SHELL")
        .value_parser(clap::value_parser!(clap_complete::Shell))
        .hide(true)
        .help("Print a completion script");
    let man = Arg::new("man").long("man").action(ArgAction::SetTrue).hide(true).help("Print the man page");
    Command::new("alcyon-server")
        .version(env!("CARGO_PKG_VERSION"))
        .about("The Alcyon server: keeps sealed logs, hands them to those who hold a seat, and knows no more")
        .after_help(format!(
            "Settings come from the file, the environment and flags; what comes later in this list wins.\n\
             The only line on stdout is `alcyon-server listening on URL`; the log is on stderr.\n\n\
             Secrets have no flag:\n{}",
            secrets()
        ))
        .arg(config)
        .args(flags().map(argument))
        .args([completions, man])
        .subcommand(admin::subcommand())
}

/// The manual page: the server's own, and a section for each command of `admin`.
pub fn man(page: &mut dyn std::io::Write) -> std::io::Result<()> {
    let mut command = command();
    command.build();
    clap_mangen::Man::new(command.clone()).render(page)?;
    match command.find_subcommand("admin") {
        Some(admin) => man_of(admin, "alcyon-server admin", page),
        None => Ok(()),
    }
}

fn man_of(command: &Command, name: &str, page: &mut dyn std::io::Write) -> std::io::Result<()> {
    writeln!(page, ".SH {}", name.to_uppercase())?;
    let man = clap_mangen::Man::new(command.clone());
    man.render_description_section(page)?;
    man.render_options_section(page)?;
    for inner in command.get_subcommands().filter(|inner| inner.get_name() != "help") {
        man_of(inner, &format!("{name} {}", inner.get_name()), page)?;
    }
    Ok(())
}

/// The settings that are flags too.
fn flags() -> impl Iterator<Item = &'static Setting> {
    SETTINGS.iter().filter(|setting| setting.kind != Kind::Secret)
}

fn secrets() -> String {
    let lines = SETTINGS.iter().filter(|setting| setting.kind == Kind::Secret);
    lines
        .map(|setting| format!("  {}; {} [env: {}] [file: {}]\n", setting.help, setting.allowed, setting.variable(), setting.key))
        .collect()
}

fn argument(setting: &'static Setting) -> Arg {
    let mut help = format!("{}; {}", setting.help, setting.allowed);
    if let Some(default) = setting.default {
        help.push_str(&format!(" [default: {default}]"));
    }
    help.push_str(&format!(" [env: {}]", setting.variable()));
    if setting.key != setting.flag {
        help.push_str(&format!(" [file: {}]", setting.key));
    }
    let argument = Arg::new(setting.key).long(setting.flag).value_name(setting.value_name).help(help);
    match setting.kind {
        Kind::Switch => argument.num_args(0..=1).require_equals(true).default_missing_value("true"),
        Kind::Text | Kind::Number | Kind::Secret => argument,
    }
}

/// Reads command line and environment of this process. A wrong command line ends the process with status 2, `--help`
/// and `--version` with 0, as clap does it.
pub fn from_process() -> Result<Invocation, ConfigError> {
    interpret(&command().get_matches(), |variable| std::env::var_os(variable))
}

/// Puts file, environment and flags together, in rising order of precedence. `environment` looks a variable up; one that
/// is empty counts as not set.
pub fn interpret(matches: &ArgMatches, environment: impl Fn(&str) -> Option<OsString>) -> Result<Invocation, ConfigError> {
    if let Some(shell) = matches.get_one::<clap_complete::Shell>("completions") {
        return Ok(Invocation::Completions(*shell));
    }
    if matches.get_flag("man") {
        return Ok(Invocation::Man);
    }
    let environment = |variable: &str| environment(variable).filter(|value| !value.is_empty());
    let mut values = Values::default();
    let admin = matches.subcommand_matches("admin").map(admin::parse);
    let config = admin.as_ref().and_then(|admin| admin.config.clone());
    let config = config.or_else(|| matches.get_one::<PathBuf>("config").cloned()).or_else(|| environment("ALCYON_CONFIG").map(Into::into));
    if let Some(path) = config {
        file::read(&path, &mut values)?;
    }
    for setting in SETTINGS {
        let variable = setting.variable();
        if let Some(value) = environment(&variable) {
            values.set(setting, value.to_string_lossy().into_owned(), Origin::Environment { variable });
        }
    }
    for setting in flags() {
        if matches.value_source(setting.key) == Some(ValueSource::CommandLine)
            && let Some(value) = matches.get_one::<String>(setting.key)
        {
            values.set(setting, value.clone(), Origin::Flag { flag: setting.flag });
        }
    }
    if let Some(admin) = admin {
        let data = match &admin.data {
            Some(data) => data.clone(),
            None => values.required("data", |text| Some(PathBuf::from(text)))?,
        };
        return Ok(Invocation::Admin(Box::new(admin), data));
    }
    Ok(Invocation::Serve(Box::new(Config::from_values(&values)?)))
}
