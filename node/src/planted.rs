//! Asks whether a bug is planted: `planted!(core, RemoveBeforeAck)`, and where there is no core, of settings or of what a
//! store takes of them: `planted_in!(limits, WrongInbox)`. Without the feature `planted-bugs` the answer is a constant, and
//! nothing of the bug is left in what is compiled.

macro_rules! planted {
    ($core:expr, $bug:ident) => {
        planted_in!($core.settings, $bug)
    };
}

#[cfg(feature = "planted-bugs")]
macro_rules! planted_in {
    ($settings:expr, $bug:ident) => {
        $settings.plant == Some(crate::plant::Plant::$bug)
    };
}

#[cfg(not(feature = "planted-bugs"))]
macro_rules! planted_in {
    ($settings:expr, $bug:ident) => {{
        let _ = &$settings;
        false
    }};
}
