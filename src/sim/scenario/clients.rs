//! The clients of a variant: their scripts and the generated ones.

use super::error::{ScenarioError, Source};
use super::field::{At, Entries};
use super::file::{Keys, LoadTable};
use super::hosts::{CLIENTS_MAX, check_name};
use super::network::spread;
use super::reword::unknown_word;
use super::{ClientScript, Load, OBSERVER, Script, Step, Think};
use crate::clock::parse_span;
use crate::services::{Application, Command};

/// The clients in the order of hosts, each with its setup and its script.
pub(super) fn clients(
    source: &Source,
    application: &dyn Application,
    servers: &[String],
    keys: &Keys,
) -> Result<Vec<ClientScript>, ScenarioError> {
    let mut clients = Vec::new();
    for (name, lines) in &keys.clients.0 {
        check_client_name(source, servers, name)?;
        let script = Script::Steps(steps(source, application, lines)?);
        add(
            source,
            name,
            client(name.value.clone(), script),
            &mut clients,
        )?;
    }
    for (name, table) in &keys.load.0 {
        check_client_name(source, servers, name)?;
        generate(source, application, name, table, &mut clients)?;
        if let Some(same) = clients.iter().find(|client| servers.contains(&client.name)) {
            let same = &same.name;
            let message = format!("`{same}` is the host of a server; expected another name");
            return Err(source.error(name.span.start, message));
        }
    }
    if clients.is_empty() {
        return Err(source.error(0, "no clients; expected [clients] or [load.NAME]"));
    }
    for (name, lines) in &keys.setup.0 {
        let index = position(source, &clients, name)?;
        clients[index].setup = steps(source, application, lines)?;
    }
    for (number, client) in clients.iter_mut().enumerate() {
        client.home = number % application.entrances().max(1);
    }
    for (name, home) in &keys.home.0 {
        let index = position(source, &clients, name)?;
        let Some(server) = servers.iter().position(|server| *server == home.value) else {
            let known: Vec<&str> = servers.iter().map(String::as_str).collect();
            let message = unknown_word("unknown server", &home.value, &known);
            return Err(source.error(home.span.start, message));
        };
        clients[index].home = server;
    }
    Ok(clients)
}

/// The place of the client of this name.
fn position(
    source: &Source,
    clients: &[ClientScript],
    name: &At<String>,
) -> Result<usize, ScenarioError> {
    let known: Vec<&str> = clients.iter().map(|client| client.name.as_str()).collect();
    let position = known.iter().position(|&known| known == name.value);
    position.ok_or_else(|| {
        let message = unknown_word("unknown client", &name.value, &known);
        source.error(name.span.start, message)
    })
}

/// The commands in a line of the service's grammar.
pub(super) fn commands(
    source: &Source,
    application: &dyn Application,
    line: &At<String>,
) -> Result<Vec<Command>, ScenarioError> {
    application
        .parse(&line.value)
        .map_err(|error| source.error_inside(line, error.at, error.message))
}

fn client(name: String, script: Script) -> ClientScript {
    ClientScript {
        name,
        home: 0,
        setup: Vec::new(),
        script,
    }
}

fn check_client_name(
    source: &Source,
    servers: &[String],
    name: &At<String>,
) -> Result<(), ScenarioError> {
    let message = match name.value.as_str() {
        OBSERVER => {
            "`observer` asks the commands of `final`; expected another name for a client".to_owned()
        }
        server if servers.iter().any(|known| known == server) => {
            format!("`{server}` is the host of the server; expected another name for a client")
        }
        _ => return check_name(source, name),
    };
    Err(source.error(name.span.start, message))
}

fn steps(
    source: &Source,
    application: &dyn Application,
    lines: &[At<String>],
) -> Result<Vec<Step>, ScenarioError> {
    let mut steps = Vec::new();
    for line in lines {
        let (word, rest) = line.value.split_once(' ').unwrap_or((&line.value, ""));
        match word {
            "wait" | "pause" if rest.trim().is_empty() => {
                let message = format!("no span of time; expected one as in {word} 3s");
                return Err(source.error_inside(line, 0, message));
            }
            "wait" | "pause" => {
                let at = line.value.len() - rest.trim_start().len();
                let span = parse_span(rest.trim())
                    .map_err(|message| source.error_inside(line, at, message))?;
                let step = if word == "wait" {
                    Step::Wait
                } else {
                    Step::Pause
                };
                steps.push(step(span));
            }
            _ => {
                let commands = commands(source, application, line)?;
                let perform = |command| Step::Perform(command, line.value.clone());
                steps.extend(commands.into_iter().map(perform));
            }
        }
    }
    Ok(steps)
}

fn generate(
    source: &Source,
    application: &dyn Application,
    name: &At<String>,
    table: &LoadTable,
    clients: &mut Vec<ClientScript>,
) -> Result<(), ScenarioError> {
    let load = Load {
        requests: table.requests.0,
        think: spread(
            source,
            &table.think_ms,
            Think::Fixed,
            Think::uniform,
            Think::exponential,
        )?,
        mix: mix(source, application, &table.mix)?,
    };
    for number in 1..=table.count.0 {
        let generated = format!("{}{number}", name.value);
        if clients.iter().any(|client| client.name == generated) {
            let message = format!("there are two clients `{generated}`; expected another name");
            return Err(source.error(name.span.start, message));
        }
        let script = Script::Load(load.clone());
        add(source, name, client(generated, script), clients)?;
    }
    Ok(())
}

/// Adds a client if there is room; `name` is what the file says of it.
fn add(
    source: &Source,
    name: &At<String>,
    client: ClientScript,
    clients: &mut Vec<ClientScript>,
) -> Result<(), ScenarioError> {
    if clients.len() >= CLIENTS_MAX {
        let message = format!("too many clients; expected at most {CLIENTS_MAX}");
        return Err(source.error(name.span.start, message));
    }
    clients.push(client);
    Ok(())
}

fn mix<const MIN: u32, const MAX: u32>(
    source: &Source,
    application: &dyn Application,
    table: &At<Entries<super::field::Whole<MIN, MAX>>>,
) -> Result<Vec<(&'static str, u32)>, ScenarioError> {
    let usage = application.usage().iter();
    let verbs: Vec<&str> = usage
        .filter_map(|usage| usage.form.split(' ').next())
        .collect();
    let mut mix = Vec::new();
    for (verb, weight) in &table.value.0 {
        let Some(&known) = verbs.iter().find(|&&known| known == verb.value) else {
            let message = unknown_word("unknown command", &verb.value, &verbs);
            return Err(source.error(verb.span.start, message));
        };
        mix.push((known, weight.0));
    }
    if mix.iter().all(|&(_, weight)| weight == 0) {
        let message = "nothing to draw from; expected a command with a weight above 0";
        return Err(source.error(table.span.start, message));
    }
    Ok(mix)
}
