//! A service for tests of scenario files; it is never run.

use std::sync::Arc;
use std::time::Duration;

use wavetank::rpc::client::RpcClient;
use wavetank::rpc::retransmit::Policy;
use wavetank::rpc::service::Service;
use wavetank::services::{
    Application, Client, Command, CommandError, Setting, SettingError, Usage,
};

/// A service that says again what it was told: `say TEXT`, `ask`, and `twice TEXT` for two commands.
#[derive(Debug)]
pub(crate) struct Echo {
    pub(crate) volume: i64,
}

impl Application for Echo {
    fn name(&self) -> &'static str {
        "echo"
    }

    fn configure(&self, settings: &toml::Table) -> Result<Arc<dyn Application>, SettingError> {
        let volume = match settings.get("volume") {
            None => self.volume,
            Some(toml::Value::Integer(volume @ 1..=11)) => *volume,
            Some(other) => {
                return Err(SettingError {
                    name: "volume".to_owned(),
                    message: format!("volume is {other}; expected a whole number from 1 to 11"),
                });
            }
        };
        Ok(Arc::new(Self { volume }))
    }

    fn settings(&self) -> Vec<Setting> {
        vec![Setting {
            name: "volume",
            schema: serde_json::json!({ "type": "integer", "description": "How loud." }),
        }]
    }

    fn usage(&self) -> &'static [Usage] {
        &[
            Usage {
                form: "say TEXT",
                help: "Says it.",
            },
            Usage {
                form: "ask",
                help: "Asks what was said.",
            },
        ]
    }

    fn policy(&self) -> Policy {
        Policy {
            timeout: Duration::from_secs(5),
            attempts: 3,
            patience: Duration::from_secs(1),
        }
    }

    fn service(&self) -> Box<dyn Service> {
        unreachable!("never run")
    }

    fn client(&self, _rpc: RpcClient) -> Box<dyn Client> {
        unreachable!("never run")
    }

    fn parse(&self, line: &str) -> Result<Vec<Command>, CommandError> {
        let say = |text: &str| Command {
            verb: "say",
            body: text.as_bytes().into(),
        };
        let error = |at, message: &str| {
            Err(CommandError {
                message: message.to_owned(),
                at,
            })
        };
        match line.split_once(' ') {
            Some(("say", text)) => Ok(vec![say(text)]),
            Some(("twice", text)) => Ok(vec![say(text), say(text)]),
            Some(("ask", _)) => error(4, "too much; expected nothing after `ask`"),
            None if line == "ask" => Ok(vec![Command {
                verb: "ask",
                body: Vec::new(),
            }]),
            None if line == "say" => error(3, "nothing to say; expected a text"),
            _ => error(0, "no command; expected `say TEXT` or `ask`"),
        }
    }

    fn describe_request(&self, _body: &[u8]) -> String {
        unreachable!("never run")
    }

    fn describe_reply(&self, _body: &[u8]) -> String {
        unreachable!("never run")
    }

    fn describe_update(&self, _body: &[u8]) -> String {
        unreachable!("never run")
    }

    fn describe_one_way(&self, _body: &[u8]) -> String {
        unreachable!("never run")
    }
}
