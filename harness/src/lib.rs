//! The harness: brings a Catga cluster up, loads it, breaks it, heals it, and judges what its history says.
//!
//! Start reading at [`run`], which shows a whole run on one page.

pub mod arrivals;
pub mod bring_up;
pub mod cli;
pub mod cluster;
pub mod commands;
pub mod compared;
pub mod doctor;
pub mod embedded;
pub mod engine;
pub mod failure;
pub mod final_reads;
pub mod folder;
pub mod guard;
pub mod http;
pub mod images;
pub mod interrupt;
pub mod links;
pub mod live;
pub mod lives;
pub mod load;
pub mod locks;
pub mod logs;
pub mod metrics;
pub mod nemesis;
pub mod observe;
pub mod output;
pub mod poll;
pub mod progress;
pub mod recorder;
pub mod review;
pub mod run;
pub mod settle;
pub mod stores;
pub mod tool;
pub mod wire;
pub mod workspace;
