//! Asks whether a bug is planted: `planted!(core, RemoveBeforeAck)`. Without the feature `planted-bugs` the answer is a
//! constant, and nothing of the bug is left in what is compiled.

#[cfg(feature = "planted-bugs")]
macro_rules! planted {
    ($core:expr, $bug:ident) => {
        $core.settings.plant == Some(crate::plant::Plant::$bug)
    };
}

#[cfg(not(feature = "planted-bugs"))]
macro_rules! planted {
    ($core:expr, $bug:ident) => {{
        let _ = &$core;
        false
    }};
}
