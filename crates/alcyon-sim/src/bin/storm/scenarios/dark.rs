//! Everybody whom the server and its people lean on is dead: who carries codes, who keeps files, who knows names.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
    time::Duration,
};

use alcyon_sim::{
    machine,
    process::{ServerProcess, ServerSetup, program},
    tls::{NAME, TestAuthority},
};
use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::{
    arrivals::Phase,
    crowd::{Crowd, Log, Shape},
    outcome::Outcome,
    samples::Class,
    server::Field,
};

/// Runs the rest with a file of hosts and a resolver of its own: `HOSTS RESOLV PROGRAM ARGUMENTS...`.
const IN_A_WORLD: &str = "mount --bind \"$0\" /etc/hosts && mount --bind \"$1\" /etc/resolv.conf && shift && exec \"$@\"";

pub async fn run(field: &Field<'_>) -> Result<Outcome> {
    let mut outcome = Outcome::new(
        "dark",
        "Nobody answers at the mail server, at the gateway for phones, at the place for files and at the resolver. People who have talked before go on, \
         with the real client over TLS, by name; newcomers come in by what is left to them (work); and a crowd goes on writing to a server in the same state.",
    );
    let folder = field.folder.join("dark");
    fs::create_dir_all(&folder)?;
    let world = World::new(&folder, field)?;
    let (ann, ben) = (world.person("ann"), world.person("ben"));
    for somebody in [&ann, &ben] {
        somebody.in_light(&["register", somebody.name, "--server", &world.url])?.ok()?;
    }
    ann.in_light(&["start", &ben.handle, "before"])?.ok()?;
    ben.in_light(&["sync"])?;
    let requests = ben.in_light(&["requests"])?;
    let request = requests.ok()?["id"].as_str().context("a request's id")?;
    ben.in_light(&["accept", request])?.ok()?;
    ann.in_light(&["sync"])?;

    let dead = dead_vendors(&folder)?;
    let dead: Vec<&str> = dead.iter().map(String::as_str).collect();
    let server = field.start("dark-crowd", &dead)?;
    let log = Log::new();
    let watch = server.watch(&log);
    let people = field.size(500, 50);
    let shape = Shape { connections: people, conversations: people, listening: true, from: 0, seed: field.seed };
    let mut crowd = Crowd::gather(server.address, shape, &log).await?;
    let (messages, newcomers, seconds) = field.size((20, 20, 40.0), (2, 2, 8.0));
    let talk = tokio::task::spawn_blocking(move || talk(&world, &ann, &ben, messages, newcomers));
    let begin = crowd.offer(&[Phase { per_second: field.size(300.0, 50.0), seconds }]).await;
    let Seen { said, read, came_in, told, why } = talk.await??;
    crowd.go_home(Duration::from_secs(30)).await;

    let wanted = 2 * messages;
    outcome.mark("messages of people whose resolver is dead", format!("{wanted} sent"), format!("{said}"), said == wanted);
    outcome.mark("and read by the other one", format!("{wanted}"), format!("{read}"), read == wanted);
    outcome.mark("newcomers who came in by work", format!("{newcomers}"), format!("{came_in}"), came_in == newcomers);
    outcome.mark("who asks for a code by mail is told", "that nobody can send codes now", why, told);
    let samples = log.samples.borrow();
    let served = samples.due_between(Class::Message, begin, begin + seconds);
    outcome.at_least("messages of the crowd that were taken", served.share_accepted() * 100.0, 99.9, "%");
    outcome.draw(&samples, &watch.end());
    Ok(outcome)
}

struct Seen {
    said: usize,
    read: usize,
    came_in: usize,
    told: bool,
    why: String,
}

fn talk(world: &World, ann: &Person, ben: &Person, messages: usize, newcomers: usize) -> Result<Seen> {
    let (mut said, mut read, mut came_in) = (0, 0, 0);
    for number in 0..messages {
        for (from, to) in [(ann, ben), (ben, ann)] {
            let text = format!("{} {number}", from.name);
            said += usize::from(from.in_the_dark(&["send", &to.handle, &text])?.ok()?["event"] == "sent");
            let synced = to.in_the_dark(&["sync"])?;
            read += synced.lines.iter().filter(|line| line["text"] == text.as_str()).count();
        }
    }
    // Whoever comes for the first time needs a resolver that lives; the mail server does not.
    for number in 0..newcomers {
        let name = format!("newcomer{number}");
        let somebody = world.person(&name);
        came_in += usize::from(somebody.in_light(&["register", &name, "--server", &world.url])?.ok().is_ok());
    }
    let asked = world.person("mail").in_light(&["register", "mail", "--server", &world.url, "--email", "mail@sea.test"])?;
    let why = asked.error();
    Ok(Seen { said, read, came_in, told: why.contains("nobody can send codes"), why })
}

/// What makes a server lean on what is not there.
fn dead_vendors(folder: &Path) -> Result<Vec<String>> {
    // Nobody answers there.
    let nowhere = machine::free_address()?;
    let senders = folder.join("senders.toml");
    fs::write(
        &senders,
        format!(
            "[[email]]\nserver = \"smtp://{nowhere}\"\nfrom = \"codes@{NAME}\"\n\n\
             [[phone]]\nurl = \"http://{nowhere}/send\"\nbody = '{{\"to\":\"{{to}}\",\"text\":\"{{code}}\"}}'\n"
        ),
    )?;
    let secret = folder.join("secret");
    fs::write(&secret, "secret\n")?;
    let path = |path: &Path| path.to_string_lossy().into_owned();
    Ok(vec![
        "--sign-ups-proofs=email | phone | work".to_owned(),
        format!("--sign-ups-senders={}", path(&senders)),
        "--blobs-store=s3".to_owned(),
        format!("--blobs-s3-endpoint=http://{nowhere}"),
        "--blobs-s3-insecure-http".to_owned(),
        "--blobs-s3-bucket=files".to_owned(),
        "--blobs-s3-region=nowhere".to_owned(),
        "--blobs-s3-access-key=key".to_owned(),
        format!("--blobs-s3-secret-key-file={}", path(&secret)),
    ])
}

/// A server with a name, and what the people's machines know of names.
struct World {
    folder: PathBuf,
    _server: ServerProcess,
    url: String,
    authority: PathBuf,
}

impl World {
    fn new(folder: &Path, field: &Field<'_>) -> Result<Self> {
        let authority = TestAuthority::new(folder)?;
        let listen = machine::free_address()?;
        let port = listen.port();
        let setup = ServerSetup::new(&folder.join("server"))
            .arguments([format!("--name={NAME}:{port}"), "--log-level=warn".to_owned()])
            .arguments(authority.server_arguments())
            .arguments(dead_vendors(folder)?)
            .wrapper(["taskset", "-c", &field.server_core.to_string()]);
        let server = ServerSetup { listen: listen.to_string(), ..setup }.start()?;
        fs::write(folder.join("hosts"), format!("127.0.0.1 localhost {NAME}\n"))?;
        fs::write(folder.join("hosts.dark"), "127.0.0.1 localhost\n")?;
        fs::write(folder.join("resolv.conf"), "nameserver 127.250.250.250\noptions timeout:1 attempts:1\n")?;
        let url = format!("https://{NAME}:{port}");
        Ok(Self { folder: folder.to_owned(), _server: server, url, authority: authority.file().to_owned() })
    }

    fn person<'a>(&self, name: &'a str) -> Person<'a> {
        let handle = format!("{name}@{}", self.url.trim_start_matches("https://"));
        Person { name, handle, folder: self.folder.clone(), authority: self.authority.clone() }
    }
}

/// Somebody with the terminal client.
struct Person<'a> {
    name: &'a str,
    handle: String,
    folder: PathBuf,
    authority: PathBuf,
}

/// What a command has printed.
struct Printed {
    lines: Vec<Value>,
    output: Output,
}

impl Person<'_> {
    /// On a machine that knows the server's name.
    fn in_light(&self, arguments: &[&str]) -> Result<Printed> {
        self.run("hosts", arguments)
    }

    /// On a machine whose resolver is dead.
    fn in_the_dark(&self, arguments: &[&str]) -> Result<Printed> {
        self.run("hosts.dark", arguments)
    }

    fn run(&self, hosts: &str, arguments: &[&str]) -> Result<Printed> {
        let mut command = Command::new("unshare");
        command.args(["--user", "--map-root-user", "--mount", "sh", "-c", IN_A_WORLD]);
        command.arg(self.folder.join(hosts)).arg(self.folder.join("resolv.conf")).arg(program("alcyon")?);
        command.arg("--json").arg("--profile").arg(self.folder.join(self.name)).args(arguments);
        command.env("ALCYON_PASSPHRASE", "correct horse").env("SSL_CERT_FILE", &self.authority);
        let output = command.output().context("unshare")?;
        let text = String::from_utf8_lossy(&output.stdout);
        let lines = text.lines().map(serde_json::from_str).collect::<Result<_, _>>().with_context(|| format!("not JSON: {text}"))?;
        Ok(Printed { lines, output })
    }
}

impl Printed {
    /// The last line, if all went well.
    fn ok(&self) -> Result<&Value> {
        ensure!(self.output.status.success(), "{}", self.error());
        self.lines.last().context("nothing was printed")
    }

    fn error(&self) -> String {
        String::from_utf8_lossy(&self.output.stderr).trim().to_owned()
    }
}
