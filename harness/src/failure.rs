//! Why a command ended without a verdict, and the exit code that says so.

use std::process::ExitCode;

/// What the process tells its caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Valid, or the command did what it was asked.
    Success,
    /// Invalid, or an expectation was missed.
    Invalid,
    /// The command line or the scenario is wrong.
    Usage,
    /// No verdict could be reached.
    Unknown,
    /// Engine, images, ports, disk: what the run stands on failed.
    Environment,
    /// The user interrupted; everything is healed.
    Interrupted,
}

impl Exit {
    #[must_use]
    pub fn code(self) -> u8 {
        match self {
            Self::Success => 0,
            Self::Invalid => 1,
            Self::Usage => 2,
            Self::Unknown => 3,
            Self::Environment => 4,
            Self::Interrupted => 130,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

/// An error with the exit code that it deserves.
#[derive(Debug)]
pub struct Failure {
    pub exit: Exit,
    pub error: anyhow::Error,
}

/// Sorts errors into exit codes where they are handed up.
pub trait Sort<T> {
    /// The user has to change the command line or the scenario.
    fn usage(self) -> Result<T, Failure>;
    /// The user has to change the machine.
    fn environment(self) -> Result<T, Failure>;
}

impl<T, E: Into<anyhow::Error>> Sort<T> for Result<T, E> {
    fn usage(self) -> Result<T, Failure> {
        self.map_err(|error| Failure { exit: Exit::Usage, error: error.into() })
    }

    fn environment(self) -> Result<T, Failure> {
        self.map_err(|error| Failure { exit: Exit::Environment, error: error.into() })
    }
}
