//! The recipes of docs/scaling.md, run as they stand there: GNU parallel for real, the others as their
//! engine would, with its variables set for each part. What is merged is the whole, to the byte.
//!
//! Only the seeds are fewer. A fence names its recipe, as in "```sh gnu-parallel".

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// The seeds of the recipes, and those that are run here.
const SEEDS: [&str; 2] = ["0..1000000", "0..80"];

/// How many parts the recipes have.
const PARTS: u64 = 8;

/// Variables by which somebody who runs these tests may name a part.
const ENGINES: [&str; 13] = [
    "SLURM_ARRAY_TASK_ID",
    "SLURM_ARRAY_TASK_MIN",
    "SLURM_ARRAY_TASK_MAX",
    "SLURM_ARRAY_TASK_COUNT",
    "SLURM_ARRAY_TASK_STEP",
    "JOB_COMPLETION_INDEX",
    "JOB_COMPLETIONS",
    "AWS_BATCH_JOB_ARRAY_INDEX",
    "AWS_BATCH_JOB_ARRAY_SIZE",
    "CI_NODE_INDEX",
    "CI_NODE_TOTAL",
    "PARALLEL_SEQ",
    "WAVETANK_SHARDS",
];

type Variables = Vec<(&'static str, String)>;

/// The lines of a recipe, with fewer seeds.
fn recipe(fence: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/scaling.md");
    let text = fs::read_to_string(path).expect("the page is part of the tree");
    let (_, rest) = text
        .split_once(&format!("\n```{fence}\n"))
        .unwrap_or_else(|| panic!("docs/scaling.md has no block `{fence}`"));
    let (lines, _) = rest.split_once("\n```\n").expect("the block has an end");
    let [told, run] = SEEDS;
    assert!(
        lines.contains(told),
        "`{fence}` explores no {told}:\n{lines}"
    );
    lines.replace(told, run) + "\n"
}

/// A directory of one test's own, with the scenario and nothing else.
fn scratch(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("scaling-{name}"));
    if path.exists() {
        fs::remove_dir_all(&path).expect("what an earlier test run left can be removed");
    }
    fs::create_dir_all(&path).expect("a directory can be made");
    let story = Path::new(env!("CARGO_MANIFEST_DIR")).join("sims/booking/storm.toml");
    fs::copy(story, path.join("storm.toml")).expect("it can be copied");
    path
}

/// A shell in this directory, with `wavetank` on its PATH.
fn shell(directory: &Path, script: &str, variables: &Variables) -> Command {
    let program = Path::new(env!("CARGO_BIN_EXE_wavetank"));
    let mut path = program
        .parent()
        .expect("it lies somewhere")
        .as_os_str()
        .to_owned();
    if let Some(usual) = std::env::var_os("PATH") {
        path.push(":");
        path.push(usual);
    }
    let mut command = Command::new("sh");
    command.args(["-c", script]).current_dir(directory);
    for name in ENGINES.into_iter().chain(["RUST_LOG", "SHARD"]) {
        command.env_remove(name);
    }
    let variables = variables.iter().map(|(name, value)| (name, value));
    command.env("PATH", path).envs(variables);
    command.env("PARALLEL_HOME", directory);
    command
}

fn output(directory: &Path, script: &str, variables: &Variables) -> Output {
    let mut shell = shell(directory, script, variables);
    shell.output().expect("there is a shell")
}

/// Runs a script that ends well.
fn run(directory: &Path, script: &str, variables: &Variables) {
    let output = output(directory, script, variables);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{script}\n{said}");
}

/// Runs a script that is refused: exit code 2, with these words.
fn assert_refused(directory: &Path, script: &str, variables: &Variables, told: &str) {
    let output = output(directory, script, variables);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{script}\n{said}");
    assert!(said.contains(told), "{told}\n{said}");
}

/// Merges the parts in this directory, as the page says, and compares them with the whole.
fn assert_whole(directory: &Path, parts: &str) {
    let merge = recipe("sh whole").replace("part-*", &format!("{parts}part-*"));
    run(directory, &merge, &Variables::new());
    compare_with_the_whole(directory);
}

/// Compares the file `whole` with that of a single exploration.
fn compare_with_the_whole(directory: &Path) {
    let alone = format!(
        "wavetank explore storm.toml --seeds {} --out alone",
        SEEDS[1]
    );
    run(directory, &alone, &Variables::new());
    let [whole, alone] = ["whole", "alone"].map(|name| fs::read(directory.join(name)));
    let whole = whole.expect("the parts are merged");
    assert!(
        whole == alone.expect("it is written"),
        "{}",
        directory.display()
    );
    assert!(whole.len() > 10_000);
}

/// What stands between a key and the end of its line.
fn value<'a>(text: &'a str, key: &str) -> &'a str {
    let (_, rest) = text
        .split_once(key)
        .unwrap_or_else(|| panic!("no {key} in\n{text}"));
    rest.lines()
        .next()
        .unwrap_or_default()
        .trim()
        .trim_matches('"')
}

/// Whether GNU parallel is here. With CI set it must be.
fn is_parallel_here() -> bool {
    let version = Command::new("parallel").arg("--version").output();
    let is_here = version.is_ok_and(|output| output.stdout.starts_with(b"GNU parallel"));
    let is_needed = std::env::var_os("CI").is_some_and(|value| value == "true");
    assert!(
        is_here || !is_needed,
        "GNU parallel is not installed, and CI is set: `.ci/run` installs it where it can"
    );
    if !is_here {
        eprintln!("not tested: GNU parallel is not installed");
    }
    is_here
}

#[test]
fn gnu_parallel_explores_the_parts_of_the_whole() {
    if !is_parallel_here() {
        return;
    }
    for fence in ["sh gnu-parallel", "sh gnu-parallel-by-hand"] {
        let directory = scratch(&fence.replace(' ', "-"));
        run(&directory, &recipe(fence), &Variables::new());
        let parts = fs::read_dir(&directory).expect("it is there");
        let parts = parts.filter(|part| {
            let name = part.as_ref().expect("it can be listed").file_name();
            name.to_string_lossy().starts_with("part-")
        });
        assert_eq!(parts.count() as u64, PARTS);
        assert_whole(&directory, "");
    }
}

#[test]
fn gnu_parallel_without_a_total_is_refused() {
    if !is_parallel_here() {
        return;
    }
    let directory = scratch("parallel-without");
    let script = recipe("sh gnu-parallel").replace("export WAVETANK_SHARDS=8", "WAVETANK_SHARDS=8");
    let output = output(&directory, &script, &Variables::new());
    let failed = output.status.code().map(i64::from);
    assert_eq!(failed, Some(8), "the number of jobs that failed");
    let said = String::from_utf8_lossy(&output.stderr);
    let told = "GNU parallel does not say how many parts there are; set WAVETANK_SHARDS";
    assert_eq!(said.matches(told).count() as u64, PARTS, "{said}");
}

#[test]
fn a_missing_part_is_named_and_done_again() {
    let directory = scratch("missing");
    for part in 1..=PARTS {
        let script = recipe("sh missing").replace("4/8", &format!("{part}/8"));
        let script = script.replace("part-4", &format!("part-{part}"));
        run(&directory, &script, &Variables::new());
    }
    fs::remove_file(directory.join("part-4")).expect("it is there");
    let merged = output(&directory, &recipe("sh whole"), &Variables::new());
    let said = String::from_utf8_lossy(&merged.stderr);
    for variant in ["at-least-once", "at-most-once"] {
        let told = format!("missing: storm, variant {variant}, 10 seeds: 3..76 in steps of 8\n");
        assert!(said.contains(&told), "{said}");
    }
    run(&directory, &recipe("sh missing"), &Variables::new());
    assert_whole(&directory, "");
}

/// What Slurm sets for a task of an array.
fn slurm(task: u64, min: u64, max: u64, count: u64) -> Variables {
    [
        ("SLURM_ARRAY_TASK_ID", task),
        ("SLURM_ARRAY_TASK_MIN", min),
        ("SLURM_ARRAY_TASK_MAX", max),
        ("SLURM_ARRAY_TASK_COUNT", count),
        ("SLURM_ARRAY_TASK_STEP", 1),
        ("SLURM_CPUS_PER_TASK", 1),
    ]
    .map(|(name, value)| (name, value.to_string()))
    .to_vec()
}

#[test]
fn a_slurm_array_explores_the_parts_of_the_whole() {
    let directory = scratch("slurm");
    let script = recipe("sh storm.sbatch");
    assert!(script.starts_with("#!/bin/sh\n#SBATCH "), "{script}");
    assert_eq!(value(&script, "--array="), format!("0-{}", PARTS - 1));
    assert_eq!(value(&script, "WAVETANK_SHARDS="), PARTS.to_string());
    let task = |task: u64| slurm(task, 0, PARTS - 1, PARTS);
    for number in (0..PARTS).filter(|number| ![3, 5].contains(number)) {
        run(&directory, &script, &task(number));
    }
    // Some of them only: nothing is run, and no part of another array gets into their files.
    for (again, told) in [
        (
            slurm(3, 3, 5, 2),
            "SLURM_ARRAY_TASK_COUNT is 2, which is not the size of an array from 3 to 5",
        ),
        (
            slurm(3, 3, 5, 3),
            "SLURM_ARRAY_TASK_COUNT is 3, but WAVETANK_SHARDS is 8",
        ),
        (
            slurm(3, 3, 3, 1),
            "SLURM_ARRAY_TASK_COUNT is 1, which is not the size",
        ),
        (
            slurm(0, 0, 0, 1),
            "SLURM_ARRAY_TASK_COUNT is 1, but WAVETANK_SHARDS is 8",
        ),
    ] {
        assert_refused(&directory, &script, &again, told);
    }
    assert!(!directory.join("part-3").exists());
    // One of them by hand, the page says how; then all of them again, of which one is left to do.
    let mut by_hand = slurm(3, 3, 3, 1);
    by_hand.push(("SHARD", "4/8".to_owned()));
    run(&directory, &script, &by_hand);
    for number in 0..PARTS {
        run(&directory, &script, &task(number));
    }
    assert_whole(&directory, "");
}

/// The commands of the manifest's container.
fn container(manifest: &str) -> String {
    let (_, rest) = manifest
        .split_once("          command: [\"sh\", \"-c\"]\n          args:\n            - |\n")
        .expect("the container runs a shell");
    let lines = rest
        .lines()
        .map_while(|line| line.strip_prefix("              "));
    lines.map(|line| format!("{line}\n")).collect()
}

/// The directory of a pod of the manifest, as its volumes make it.
fn pod(name: &str) -> PathBuf {
    let directory = scratch(name);
    for place in ["scenarios", "parts"] {
        fs::create_dir(directory.join(place)).expect("a directory can be made");
    }
    let story = directory.join("storm.toml");
    fs::copy(story, directory.join("scenarios/storm.toml")).expect("it can be copied");
    directory
}

#[test]
fn a_kubernetes_job_explores_the_parts_of_the_whole() {
    let directory = pod("kubernetes");
    let manifest = recipe("yaml storm-job.yaml");
    let (_, told) = manifest
        .split_once("- name: JOB_COMPLETIONS\n")
        .expect("the pod is told");
    for number in [
        value(&manifest, "\n  completions: "),
        value(told, "value: "),
    ] {
        assert_eq!(number, PARTS.to_string());
    }
    assert_eq!(value(&manifest, "completionMode: "), "Indexed");
    let script = container(&manifest);
    assert!(
        script.contains("--out \"parts/part-$JOB_COMPLETION_INDEX\""),
        "{script}"
    );
    let index = |index: u64| vec![("JOB_COMPLETION_INDEX", index.to_string())];
    let told =
        "a Kubernetes indexed job does not say how many parts there are; set JOB_COMPLETIONS";
    assert_refused(&directory, &script, &index(0), told);
    for number in 0..PARTS {
        let mut variables = index(number);
        variables.push(("JOB_COMPLETIONS", PARTS.to_string()));
        run(&directory, &script, &variables);
    }
    assert_whole(&directory, "parts/");
}

#[test]
fn a_pod_that_is_asked_to_end_has_not_done_its_part() {
    let directory = pod("kubernetes-ends");
    // All seeds of the page, so that it is still at work when it is asked.
    let script = container(&recipe("yaml storm-job.yaml")).replace(SEEDS[1], SEEDS[0]);
    let variables = vec![
        ("JOB_COMPLETION_INDEX", "0".to_owned()),
        ("JOB_COMPLETIONS", PARTS.to_string()),
    ];
    let part = directory.join("parts/part-0");
    let mut pod = shell(&directory, &script, &variables)
        .stdout(Stdio::null())
        .spawn()
        .expect("there is a shell");
    while fs::metadata(&part).map_or(0, |file| file.len()) < 10_000 {
        assert!(
            pod.try_wait().expect("it can be asked").is_none(),
            "it ended by itself"
        );
        std::thread::yield_now();
    }
    let killed = Command::new("kill").arg(pod.id().to_string()).status();
    assert!(killed.expect("there is a kill").success());
    let ended = pod.wait().expect("it ends");
    assert_eq!(ended.code(), Some(143));
    let text = fs::read_to_string(part).expect("it is written");
    assert!(text.ends_with("}\n"), "the file has whole lines");
}

#[test]
fn an_aws_batch_array_explores_the_parts_of_the_whole() {
    let directory = scratch("aws");
    fs::create_dir(directory.join("parts")).expect("a directory can be made");
    let script = recipe("sh aws-batch");
    let index = |index: u64| vec![("AWS_BATCH_JOB_ARRAY_INDEX", index.to_string())];
    let told =
        "an AWS Batch array does not say how many parts there are; set AWS_BATCH_JOB_ARRAY_SIZE";
    assert_refused(&directory, &script, &index(0), told);
    for number in 0..PARTS {
        let mut variables = index(number);
        variables.push(("AWS_BATCH_JOB_ARRAY_SIZE", PARTS.to_string()));
        run(&directory, &script, &variables);
    }
    assert_whole(&directory, "parts/");
}

/// The lines of a job's script.
fn gitlab_script(file: &str, job: &str) -> String {
    let (_, job) = file
        .split_once(&format!("{job}:\n"))
        .expect("the job is there");
    let (_, lines) = job.split_once("  script:\n").expect("it has a script");
    let lines = lines.lines().map_while(|line| line.strip_prefix("    - "));
    lines.map(|line| format!("{line}\n")).collect()
}

#[test]
fn gitlab_explores_the_parts_of_the_whole() {
    let directory = scratch("gitlab");
    let file = recipe("yaml .gitlab-ci.yml");
    assert_eq!(value(&file, "parallel: "), PARTS.to_string());
    let script = gitlab_script(&file, "explore");
    let node = |number: u64| vec![("CI_NODE_INDEX", number.to_string())];
    let told = "GitLab's parallel does not say how many parts there are";
    assert_refused(&directory, &script, &node(1), told);
    for number in 1..=PARTS {
        let mut variables = node(number);
        variables.push(("CI_NODE_TOTAL", PARTS.to_string()));
        run(&directory, &script, &variables);
    }
    run(
        &directory,
        &gitlab_script(&file, "merge"),
        &Variables::new(),
    );
    compare_with_the_whole(&directory);
}
