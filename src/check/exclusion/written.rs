//! Steps as JSON lines, for twins and for whoever has a lock service of another kind.
//!
//! One object a line, in the order of the server. `docs/checking.md` lists the fields of each step. A
//! line that is only a `comment` is no step.

use std::time::Duration;

use serde::Deserialize;

use super::{LockAccess, Step, Told, What};
use crate::check::json_lines::{self, mistake};
use crate::clock::Time;
use crate::history::recorded::Mistake;
use crate::id::OperationId;
use crate::trace::Names;

/// Steps that were read, and who took part.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Written {
    /// The names of the clients, in the order of their first steps.
    pub names: Vec<String>,
    /// The steps.
    pub steps: Vec<Step>,
}

/// A line, its fields not yet asked for.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Fields {
    #[serde(default)]
    step: String,
    clock: Option<u64>,
    operation: Option<String>,
    lock: Option<u16>,
    token: Option<u64>,
    lease_ms: Option<u64>,
    file: Option<u16>,
    from: Option<u64>,
    total: Option<u64>,
    text: Option<String>,
    comment: Option<String>,
}

impl Written {
    /// Reads JSON lines.
    ///
    /// # Errors
    ///
    /// Says in which line something is missing, not known or too much, and where
    /// there is no step at all.
    pub fn read(text: &str) -> Result<Self, Mistake> {
        let mut read = Self {
            names: Vec::new(),
            steps: Vec::new(),
        };
        for fields in json_lines::read(text, "step") {
            let (number, fields) = fields?;
            read.take(number, fields)
                .map_err(|message| mistake(number, message))?;
        }
        if read.steps.is_empty() {
            let message = "no step; expected JSON lines such as {\"step\":\"grant\",\"clock\":0,\
                           \"operation\":\"c1#1\",\"lock\":0,\"token\":1,\"lease_ms\":2000} \
                           (docs/checking.md lists all)";
            return Err(mistake(1, message.to_owned()));
        }
        Ok(read)
    }

    fn take(&mut self, line: u32, mut fields: Fields) -> Result<(), String> {
        if fields.comment.take().is_some() && fields.step.is_empty() {
            return fields.assert_empty();
        }
        let clock = Time::from_ms(asked(&fields.step, "clock", fields.clock.take())?);
        let what = fields.what()?;
        let operation = fields.operation.take();
        let operation = operation.map(|name| self.operation(&name)).transpose()?;
        if operation.is_none() && has_owner(&what) {
            return Err(format!("`{}` needs `operation`", fields.step));
        }
        fields.assert_empty()?;
        self.steps.push(Step {
            line,
            clock,
            operation,
            what,
        });
        Ok(())
    }

    fn operation(&mut self, name: &str) -> Result<OperationId, String> {
        let host = name.rsplit_once('#').map_or(name, |(host, _)| host);
        if Names(&self.names).find_host(host).is_none() {
            self.names.push(host.to_owned());
        }
        let operation = Names(&self.names).find_operation(name);
        operation.ok_or_else(|| format!("`{name}` is no operation; write c1#1"))
    }
}

impl Fields {
    fn what(&mut self) -> Result<What, String> {
        let step = self.step.clone();
        let lock = |it: &mut Self| asked(&step, "lock", it.lock.take());
        let token = |it: &mut Self| asked(&step, "token", it.token.take());
        let file = |it: &mut Self| asked(&step, "file", it.file.take());
        let text = |it: &mut Self| asked(&step, "text", it.text.take());
        let lease = |it: &mut Self| {
            let span = asked(&step, "lease_ms", it.lease_ms.take());
            span.map(Duration::from_millis)
        };
        Ok(match step.as_str() {
            "grant" => What::Grant {
                lock: lock(self)?,
                token: token(self)?,
                lease: lease(self)?,
            },
            "renew" => What::Renew {
                lock: lock(self)?,
                token: token(self)?,
                lease: lease(self)?,
            },
            "withdraw" => What::Withdraw {
                lock: lock(self)?,
                token: token(self)?,
            },
            "waits" => What::Accepted(LockAccess::Waits { lock: lock(self)? }),
            "granted-again" => What::Accepted(LockAccess::Granted {
                lock: lock(self)?,
                token: token(self)?,
            }),
            "staged" => What::Accepted(LockAccess::Staged {
                lock: lock(self)?,
                token: token(self)?,
                file: file(self)?,
                text: text(self)?.into(),
            }),
            "released" => What::Accepted(LockAccess::Released {
                lock: lock(self)?,
                token: token(self)?,
            }),
            "read" => {
                let (file, text) = (file(self)?, text(self)?);
                let whole = text.len() as u64;
                What::Accepted(LockAccess::Read {
                    file,
                    token: self.token.take().unwrap_or_default(),
                    from: self.from.take().unwrap_or_default(),
                    total: self.total.take().unwrap_or(whole),
                    text: text.into(),
                })
            }
            "closed" => What::Accepted(LockAccess::Closed),
            "gone" => What::Gone,
            "told-granted" => What::Told(Told::Granted {
                lock: lock(self)?,
                token: token(self)?,
            }),
            "told-done" => What::Told(Told::Done),
            "told-refused" => What::Told(Told::Refused),
            "crash" => What::Crash,
            "pause" => What::Pause,
            "goes-on" => What::GoesOn,
            "end" => What::End,
            _ => return Err(format!("`{step}` is no step; docs/checking.md lists all")),
        })
    }

    /// Refuses fields that nobody has asked for.
    fn assert_empty(&self) -> Result<(), String> {
        let fields = [
            ("clock", self.clock.is_some()),
            ("operation", self.operation.is_some()),
            ("lock", self.lock.is_some()),
            ("token", self.token.is_some()),
            ("lease_ms", self.lease_ms.is_some()),
            ("file", self.file.is_some()),
            ("from", self.from.is_some()),
            ("total", self.total.is_some()),
            ("text", self.text.is_some()),
        ];
        match fields.iter().find(|(_, is_there)| *is_there) {
            None => Ok(()),
            Some((field, _)) => Err(format!("`{}` has no `{field}`", self.step)),
        }
    }
}

/// Whether a step is some operation's. Reads at the end are nobody's, and so is what befalls the server.
const fn has_owner(what: &What) -> bool {
    !matches!(
        what,
        What::Crash
            | What::Pause
            | What::GoesOn
            | What::End
            | What::Accepted(LockAccess::Read { .. })
    )
}

fn asked<T>(step: &str, field: &str, value: Option<T>) -> Result<T, String> {
    value.ok_or_else(|| format!("`{step}` needs `{field}`"))
}
