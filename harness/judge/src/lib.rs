//! The pure half of the harness: scenario, plan, history, checkers, figures, verdict, report.
pub mod exercise;
pub mod history;
pub mod plan;
pub mod scenario;
pub mod seed;
