//! What faults ask of Redis: its settings, its clients, what it counts, and whether it takes a write.

use std::time::{Duration, Instant};

use redis::{RedisError, Script};

use super::Redis;
use crate::stores::StoreError;
use crate::wire::redis::{Client, clients, counter};

/// The key of our trial writes; no node reads or writes it.
const TRIAL_KEY: &str = "harness:trial";
/// A trial whose removal never came is gone by itself after so many milliseconds.
const TRIAL_MS: u64 = 2_000;

const MARK_KEY: &str = "harness:mark";
/// Longer than any fault; a mark that nobody removes is gone by itself.
const MARK_MS: u64 = 600_000;
/// No node has it.
const OUR_SCRIPT: &str = "return 'a script of the harness'";
/// A script sees the time of its start, whatever it asks Redis; the processor's clock goes on.
const BUSY_SCRIPT: &str = "local ends = os.clock() + tonumber(ARGV[1]); local turns = 0; while os.clock() < ends do turns = turns + 1 end; return turns";
/// The processor's clock counts all threads of Redis, so it may be a little ahead of the wall's.
const BUSY_MORE: Duration = Duration::from_millis(50);

/// What became of a write of our own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trial {
    Taken,
    /// In Redis' own words, which begin with the code.
    Refused(String),
}

impl Redis {
    /// The value of one setting, as `CONFIG GET` has it.
    ///
    /// # Errors
    /// As for [`Self::ask`], or Redis knows no such setting.
    pub async fn setting(&mut self, name: &str) -> Result<String, StoreError> {
        let what = "reading a setting";
        let mut pipeline = redis::pipe();
        pipeline.cmd("CONFIG").arg("GET").arg(name);
        let (pair,): (Vec<String>,) = self.ask(what, &pipeline).await?;
        match pair.as_slice() {
            [_, value] => Ok(value.clone()),
            other => Err(self.failed(what, format!("CONFIG GET {name} gave {other:?}, and not one value"))),
        }
    }

    /// Sets one setting until Redis ends.
    ///
    /// # Errors
    /// As for [`Self::ask`].
    pub async fn set(&mut self, name: &str, value: &str) -> Result<(), StoreError> {
        let mut pipeline = redis::pipe();
        pipeline.cmd("CONFIG").arg("SET").arg(name).arg(value).ignore();
        self.ask("changing a setting", &pipeline).await
    }

    /// Writes a key of our own, and removes it again.
    ///
    /// # Errors
    /// No answer: nothing is known of what Redis would do.
    pub async fn try_write(&mut self) -> Result<Trial, StoreError> {
        let mut pipeline = redis::pipe();
        pipeline.cmd("SET").arg(TRIAL_KEY).arg(1).arg("PX").arg(TRIAL_MS);
        pipeline.cmd("DEL").arg(TRIAL_KEY).ignore();
        pipeline.ignore_errors();
        let (written,): (Result<String, RedisError>,) = self.ask("trying to write", &pipeline).await?;
        Ok(match written {
            Ok(_) => Trial::Taken,
            Err(refusal) => {
                Trial::Refused(format!("{} {}", refusal.code().unwrap_or("ERR"), refusal.detail().unwrap_or_default()))
            }
        })
    }

    /// The clients that are neither ours nor other servers.
    ///
    /// # Errors
    /// As for [`Self::ask`].
    pub async fn other_clients(&mut self) -> Result<Vec<Client>, StoreError> {
        let mut pipeline = redis::pipe();
        pipeline.cmd("CLIENT").arg("LIST");
        let (list,): (String,) = self.ask("listing the clients", &pipeline).await?;
        Ok(clients(&list)?.into_iter().filter(Client::is_of_others).collect())
    }

    /// Closes connections, by id; says how many were there to be closed.
    ///
    /// # Errors
    /// As for [`Self::ask`].
    pub async fn kill_clients(&mut self, ids: &[u64]) -> Result<u64, StoreError> {
        let mut pipeline = redis::pipe();
        for id in ids {
            pipeline.cmd("CLIENT").arg("KILL").arg("ID").arg(*id);
        }
        let killed: Vec<u64> = self.ask("closing the clients' connections", &pipeline).await?;
        Ok(killed.iter().sum())
    }

    /// How often Redis has carried out a command, and for how many microseconds, since it was started.
    /// `name` is as in `INFO commandstats`: `eval`, `script|flush`.
    ///
    /// # Errors
    /// As for [`Self::ask`].
    pub async fn counted(&mut self, name: &str) -> Result<(u64, u64), StoreError> {
        let mut pipeline = redis::pipe();
        pipeline.cmd("INFO").arg("commandstats");
        let (info,): (String,) = self.ask("reading the commands' counters", &pipeline).await?;
        let field = format!("cmdstat_{name}");
        Ok((counter(&info, &field, "calls").unwrap_or(0), counter(&info, &field, "usec").unwrap_or(0)))
    }

    /// Loads a script of ours and has Redis forget all scripts, in one transaction; says whether ours was known between the two.
    ///
    /// # Errors
    /// As for [`Self::ask`].
    pub async fn load_and_flush_scripts(&mut self) -> Result<bool, StoreError> {
        let mut pipeline = redis::pipe();
        pipeline.atomic();
        pipeline.cmd("SCRIPT").arg("LOAD").arg(OUR_SCRIPT).ignore();
        pipeline.cmd("SCRIPT").arg("EXISTS").arg(our_script());
        pipeline.cmd("SCRIPT").arg("FLUSH").arg("SYNC").ignore();
        let (known,): ((bool,),) = self.ask("flushing the scripts", &pipeline).await?;
        Ok(known.0)
    }

    /// Does Redis know our script?
    ///
    /// # Errors
    /// As for [`Self::ask`].
    pub async fn knows_our_script(&mut self) -> Result<bool, StoreError> {
        let mut pipeline = redis::pipe();
        pipeline.cmd("SCRIPT").arg("EXISTS").arg(our_script());
        let (known,): ((bool,),) = self.ask("asking for a script", &pipeline).await?;
        Ok(known.0)
    }

    /// Runs a script that does nothing; says how many scripts Redis knows.
    ///
    /// # Errors
    /// As for [`Self::ask`].
    pub async fn run_a_script(&mut self) -> Result<u64, StoreError> {
        let what = "running a script";
        let mut pipeline = redis::pipe();
        pipeline.cmd("EVAL").arg(OUR_SCRIPT).arg(0).ignore();
        pipeline.cmd("INFO").arg("memory");
        let (info,): (String,) = self.ask(what, &pipeline).await?;
        let known = info.lines().find_map(|line| line.strip_prefix("number_of_cached_scripts:")?.trim().parse().ok());
        known.ok_or_else(|| self.failed(what, String::from("INFO memory does not say number_of_cached_scripts")))
    }

    /// Keeps Redis busy for `length`, and returns when it is over.
    ///
    /// # Errors
    /// As for [`Self::ask`]; the script may run on.
    pub async fn run_busy_script(self, length: Duration) -> Result<(), StoreError> {
        let seconds = (length + BUSY_MORE).as_secs_f64();
        let mut pipeline = redis::pipe();
        pipeline.cmd("EVAL").arg(BUSY_SCRIPT).arg(0).arg(seconds).ignore();
        let mut patient = Self { patience: (length + BUSY_MORE) * 2 + self.patience, ..self };
        patient.ask("running a slow script", &pipeline).await
    }

    /// Ends the script that keeps Redis busy, if one does.
    ///
    /// # Errors
    /// No answer: a script is heard of only once it has run for `busy-reply-threshold`.
    pub async fn kill_script(&mut self) -> Result<(), StoreError> {
        let what = "killing a script";
        let mut pipeline = redis::pipe();
        pipeline.cmd("SCRIPT").arg("KILL").ignore_errors();
        let (killed,): (Result<String, RedisError>,) = self.ask(what, &pipeline).await?;
        match killed {
            Err(error) if error.code() != Some("NOTBUSY") => Err(self.failed(what, error.to_string())),
            _ => Ok(()),
        }
    }

    /// How long Redis takes to answer.
    ///
    /// # Errors
    /// As for [`Self::ask`].
    pub async fn ping(&mut self) -> Result<Duration, StoreError> {
        let mut pipeline = redis::pipe();
        pipeline.cmd("PING").ignore();
        // The first question opens the connection.
        self.ask::<()>("connecting", &pipeline).await?;
        let asked = Instant::now();
        self.ask::<()>("asking for an answer", &pipeline).await?;
        Ok(asked.elapsed())
    }

    /// Writes a mark of ours, which is there until it is removed, or for ten minutes.
    ///
    /// # Errors
    /// As for [`Self::ask`].
    pub async fn mark(&mut self) -> Result<(), StoreError> {
        let mut pipeline = redis::pipe();
        pipeline.cmd("SET").arg(MARK_KEY).arg(1).arg("PX").arg(MARK_MS).ignore();
        self.ask("leaving a mark", &pipeline).await
    }

    /// Is our mark there?
    ///
    /// # Errors
    /// As for [`Self::ask`].
    pub async fn is_marked(&mut self) -> Result<bool, StoreError> {
        let mut pipeline = redis::pipe();
        pipeline.cmd("EXISTS").arg(MARK_KEY);
        self.ask("looking for a mark", &pipeline).await.map(|(marked,): (bool,)| marked)
    }

    /// # Errors
    /// As for [`Self::ask`].
    pub async fn unmark(&mut self) -> Result<(), StoreError> {
        let mut pipeline = redis::pipe();
        pipeline.cmd("DEL").arg(MARK_KEY).ignore();
        self.ask("removing a mark", &pipeline).await
    }

    fn failed(&self, what: &'static str, detail: String) -> StoreError {
        StoreError::Redis { what, address: self.address.clone(), detail }
    }
}

/// As Redis names it: the SHA-1 of its text.
fn our_script() -> String {
    Script::new(OUR_SCRIPT).get_hash().to_owned()
}
