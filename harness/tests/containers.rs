//! Tests on real containers. They need a container engine and a compose tool; each works in a compose project of its
//! own, on free ports, and takes it down at its end, also when it fails.

mod containers {
    mod cluster;
    mod disks;
    mod foreign;
    mod ground;
    mod guardian;
    mod guards;
    mod healing;
    mod images;
    mod lame_duck;
    mod links;
    mod nemesis;
    mod netem;
    mod networks;
    mod processes;
    mod resources;
    mod roll_back;
    mod scale;
    mod services;
    mod stage;
    mod strike;
    mod support;
    mod traffic;
}
