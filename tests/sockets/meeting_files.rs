//! Data servers of the meeting scheduler with the wrong people, and a main server with the wrong directory.

use std::fs;

use crate::meeting::{B, Cluster, file};
use crate::process::{Ended, wavetank};

#[test]
fn a_data_server_with_people_of_another_ends_and_takes_nobody_over_when_main_is_back() {
    let mut cluster = Cluster::start("meeting-refused", "");
    cluster.b.take().unwrap().kill();
    let path = file(cluster.directory.path(), "b");
    fs::write(&path, "jameson;[[2,3],[5,7]]\nlilith;[[100,200]]\n").unwrap();
    let (code, said) = cluster.data_server("b").ended();
    assert_eq!(code, Some(4), "{said}");
    assert!(
        said.contains("another data server has people of these names already: lilith: take"),
        "{said}"
    );
    cluster.main.take().unwrap().kill();
    cluster.start_main("");
    let mut line = cluster.netcat();
    loop {
        let told = line.ask("lilith");
        if !told.contains("incomplete") {
            assert_eq!(told, "Available time slots: [1,3], [4,9]");
            break;
        }
    }
    fs::write(&path, B).unwrap();
    cluster.b = Some(cluster.data_server("b"));
    cluster.wait_for_all();
}

#[test]
fn a_data_server_whose_disk_has_time_of_somebody_who_is_gone_does_not_start() {
    let mut cluster = Cluster::start("meeting-gone", "");
    let registered = "Registered [5,6] for lilith, jameson";
    let asked = "register 5 6 lilith jameson";
    assert_eq!(cluster.netcat().ask(asked), registered);
    cluster.b.take().unwrap().kill();
    let path = file(cluster.directory.path(), "b");
    fs::write(&path, "callie;[[0,5],[6,8]]\n").unwrap();
    let own = cluster.addresses[2];
    let main = cluster.addresses[0];
    let mut command = wavetank(&format!(
        "serve meeting --role data --name b --listen {own} --main {main}"
    ));
    command.arg("--file").arg(&path);
    let data = cluster.directory.path().join("data-b");
    let ended = Ended::new(command.arg("--data").arg(data).output().unwrap());
    assert_eq!(ended.code, Some(4), "{ended:?}");
    for part in [
        "cannot serve from ",
        "data-b: ",
        ": jameson: ",
        "`jameson;[]`",
    ] {
        assert!(ended.err.contains(part), "{part}: {}", ended.err);
    }
    fs::write(&path, "callie;[[0,5],[6,8]]\njameson;[]\n").unwrap();
    cluster.b = Some(cluster.data_server("b"));
    cluster.wait_for_all();
    assert_eq!(cluster.netcat().ask("jameson"), "Available time slots: []");
}

#[test]
fn a_main_server_whose_directory_was_emptied_names_no_transaction_as_before() {
    let mut cluster = Cluster::start("meeting-emptied", "");
    let register = |cluster: &Cluster, start: u64, name: &str| {
        let (end, mut line) = (start + 1, cluster.netcat());
        let told = line.ask(&format!("register {start} {end} {name}"));
        assert_eq!(told, format!("Registered [{start},{end}] for {name}"));
    };
    for start in 0..5 {
        register(&cluster, start, "callie");
    }
    cluster.main.take().unwrap().kill();
    fs::remove_dir_all(cluster.directory.path().join("main")).unwrap();
    cluster.start_main("");
    cluster.wait_for_all();
    // Counted anew in the same life, they would have the numbers of the five, which b has taken.
    for start in [2, 5, 6] {
        register(&cluster, start, "jameson");
    }
}
