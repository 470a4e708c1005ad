//! The disks of simulated hosts: one for each host that asks, for all of its lives.

use crate::disk::{Batch, Damage, DiskFate, SimDisk};
use crate::id::HostId;
use crate::net::world::World;
use crate::seed::Stream;
use crate::trace::Event;

/// The disk of a host.
#[derive(Debug)]
pub(super) struct HostDisk {
    disk: SimDisk,
    /// What becomes of torn sectors.
    chance: Stream,
    /// The fault that lets the disk fail, and the host with it.
    armed: Option<u16>,
    /// The commit in which the disk failed, and the events that are true if it took place.
    doubt: Option<(Batch, Vec<Event>)>,
}

impl World {
    /// The disk of a host, made when it is first asked for.
    pub(super) fn disk(&mut self, host: HostId) -> &mut HostDisk {
        let seed = self.seed;
        let state = &mut self.hosts[host.index()];
        let name = &state.name;
        state.disk.get_or_insert_with(|| {
            Box::new(HostDisk {
                disk: SimDisk::formatted(),
                chance: seed.stream(&format!("disk {name}")),
                armed: None,
                doubt: None,
            })
        })
    }

    /// The disk for this life of a host; `None` if the life has ended.
    pub(crate) fn disk_of(&mut self, me: (HostId, u32)) -> Option<SimDisk> {
        self.is_alive(me).then(|| self.disk(me.0).disk.clone())
    }

    /// The disk of a host failed in this commit, and so it is in doubt whether these events took place.
    pub(crate) fn doubt(&mut self, host: HostId, batch: Batch, events: Vec<Event>) {
        self.disk(host).doubt = Some((batch, events));
    }

    /// What is in doubt about the disk of a host.
    pub(crate) fn take_doubt(&mut self, host: HostId) -> Option<(Batch, Vec<Event>)> {
        self.disk(host).doubt.take()
    }

    /// An operation on the disk of a host has failed: the host dies there if a fault says so.
    pub(crate) fn disk_failed(&mut self, me: (HostId, u32)) {
        if self.is_alive(me) {
            let disk = self.disk(me.0);
            if let Some(fault) = disk.armed.filter(|_| disk.disk.has_failed()) {
                self.kill(fault, true);
            }
        }
    }
}

impl HostDisk {
    /// From now on the disk fails in its nth operation, from 1, that changes it.
    pub(super) fn arm(&mut self, fault: u16, nth: u64) {
        self.armed = Some(fault);
        self.disk.fail_after(Some(nth.saturating_sub(1)));
    }

    /// Nothing fails any more.
    pub(super) fn disarm(&mut self) {
        self.armed = None;
        self.disk.fail_after(None);
    }

    pub(super) fn lie(&self) {
        self.disk.lie(true);
    }

    /// The host has crashed. A disk that lied does so no longer.
    pub(super) fn crash(&mut self, fate: DiskFate) -> Damage {
        self.armed = None;
        self.disk.lie(false);
        self.disk.crash(fate, &mut self.chance)
    }
}
