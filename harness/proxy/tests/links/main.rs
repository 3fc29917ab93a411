//! The proxy between sockets of this machine: what each rule does to a connection, and what is left when it goes.

mod control;
mod fuzz;
mod rules;
mod stage;
