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
    /// The operations, counted over all lives from 1, in which the disk is to fail and the host with it,
    /// and the fault of each; the nearest first.
    armed: Vec<(u64, u16)>,
    /// How many crashes are still to find that the disk has lied.
    lies: u32,
    /// A commit, and the events of it that its host did not live to record: they are true if it took place.
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
                armed: Vec::new(),
                lies: 0,
                doubt: None,
            })
        })
    }

    /// The disk for this life of a host; `None` if the life has ended.
    pub(crate) fn disk_of(&mut self, me: (HostId, u32)) -> Option<SimDisk> {
        self.is_alive(me).then(|| self.disk(me.0).disk.clone())
    }

    /// A host did not live to record these events of a commit, and so it is in doubt whether they took place.
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
            if disk.disk.has_failed() && !disk.armed.is_empty() {
                let (_, fault) = disk.armed.remove(0);
                self.kill(fault, true);
            }
        }
    }
}

impl HostDisk {
    /// From now on the disk fails in its nth operation, from 1, that changes it.
    pub(super) fn arm(&mut self, fault: u16, nth: u64) {
        self.armed
            .push((self.disk.operations() + nth.max(1), fault));
        self.armed.sort_unstable();
        self.fail_in_nearest();
    }

    fn fail_in_nearest(&self) {
        let operations = self.disk.operations();
        let nearest = self.armed.first();
        self.disk
            .fail_after(nearest.map(|(at, _)| (at - 1).saturating_sub(operations)));
    }

    /// Nothing fails any more.
    pub(super) fn disarm(&mut self) {
        self.armed.clear();
        self.fail_in_nearest();
    }

    /// The disk lies until one more crash has found that it has.
    pub(super) fn lie(&mut self) {
        self.lies += 1;
        self.disk.lie(true);
    }

    /// The host has crashed. What is armed for a later operation stays so; a disk that no further crash
    /// is to find lying is honest from now on.
    pub(super) fn crash(&mut self, fate: DiskFate) -> Damage {
        let damage = self.disk.crash(fate, &mut self.chance);
        if fate == DiskFate::Lie {
            self.lies = self.lies.saturating_sub(1);
            self.disk.lie(self.lies > 0);
        }
        self.fail_in_nearest();
        damage
    }
}
