//! The packages of others, installed once for all runs of these tests: below `target/interop`, of the versions and
//! hashes that `tests/interop` names.

use std::{
    env,
    fs::{self, File},
    hash::{DefaultHasher, Hash, Hasher},
    io::{ErrorKind, Write},
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
};

use fs4::FileExt;

const SKIP: &str = "TOWER_IDENTITY_SKIP_INTEROP";

const MANIFEST: &str = include_str!("../../../interop/package.json");
const LOCK_FILE: &str = include_str!("../../../interop/package-lock.json");
const REQUIREMENTS: &str = include_str!("../../../interop/requirements.txt");
const PROXIES: &str = include_str!("../../../interop/proxies.txt");

/// The oldest that the packages run on.
const NODE: (u32, u32) = (20, 12);
const PYTHON: (u32, u32) = (3, 11);

const GET_NODE: &str =
    "Node.js 20.12 or later with npm (Debian, Ubuntu: apt-get install nodejs npm; macOS: brew install node)";
const GET_PYTHON: &str =
    "Python 3.11 or later with venv (Debian, Ubuntu: apt-get install python3-venv; macOS: brew install python)";

/// A directory from where Node.js finds its packages; `None` when these tests are to be skipped.
pub(crate) fn node() -> Option<&'static Path> {
    static PLACE: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    wanted().then(|| there(PLACE.get_or_init(install_node)))
}

/// A Python that has its packages; `None` when these tests are to be skipped.
pub(crate) fn python() -> Option<&'static Path> {
    static PLACE: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    wanted().then(|| there(PLACE.get_or_init(|| install_python("python", REQUIREMENTS))))
}

/// A Python that has nginx, HAProxy, Envoy, Traefik and Caddy; `None` when these tests are to be skipped.
pub(crate) fn proxies() -> Option<&'static Path> {
    static PLACE: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    wanted().then(|| there(PLACE.get_or_init(|| install_python("proxies", PROXIES))))
}

fn wanted() -> bool {
    let wanted = env::var_os(SKIP).is_none_or(|value| value != "1");
    if !wanted {
        let test = std::thread::current().name().unwrap_or_default().to_owned();
        let says = format!("\nSKIPPED, as {SKIP}=1 asks for: {test}\n");
        // Not by the macro, whose text the test runner keeps to itself while the test passes.
        let _ = std::io::stderr().write_all(says.as_bytes());
    }
    wanted
}

fn there(place: &'static Result<PathBuf, String>) -> &'static Path {
    match place {
        Ok(place) => place,
        Err(missing) => panic!(
            "\n{missing}\nThe interoperability tests run servers and verifiers of others. To go without them, \
             on this machine: {SKIP}=1\n"
        ),
    }
}

fn install_node() -> Result<PathBuf, String> {
    let version = output(Command::new("node").arg("--version"), GET_NODE)?;
    at_least(NODE, version.trim_start_matches('v'), GET_NODE)?;
    once("node", &[LOCK_FILE], |place| {
        let written = fs::write(place.join("package.json"), MANIFEST)
            .and_then(|()| fs::write(place.join("package-lock.json"), LOCK_FILE));
        written.map_err(|error| format!("{} cannot be written: {error}", place.display()))?;
        // What packages would run when they are installed is not run.
        let mut npm = Command::new("npm");
        npm.current_dir(place).args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"]);
        output(&mut npm, GET_NODE).map(drop)
    })
}

fn install_python(what: &str, requirements: &str) -> Result<PathBuf, String> {
    let says_version = "import ensurepip, sys, venv; print('%d.%d.%d' % sys.version_info[:3])";
    let names = ["python3", "python3.14", "python3.13", "python3.12", "python3.11"];
    let mut why = Err(format!("missing: {GET_PYTHON}"));
    for name in names {
        let version = output(Command::new(name).args(["-c", says_version]), GET_PYTHON)
            .and_then(|version| at_least(PYTHON, &version, GET_PYTHON).map(|()| version));
        match version {
            Ok(version) => {
                let place = once(what, &[requirements, &version], |place| install_venv(name, requirements, place))?;
                return Ok(place.join("bin/python"));
            }
            // What `python3` lacks is worth saying, not that there is no `python3.14`.
            Err(error) if name == names[0] => why = Err(error),
            Err(_) => {}
        }
    }
    why
}

fn install_venv(python: &str, packages: &str, place: &Path) -> Result<(), String> {
    output(Command::new(python).args(["-m", "venv"]).arg(place), GET_PYTHON)?;
    let requirements = place.join("requirements.txt");
    fs::write(&requirements, packages).map_err(|error| format!("{} cannot be written: {error}", place.display()))?;
    let mut pip = Command::new(place.join("bin/python"));
    // Nothing is built, and nothing but what is listed is installed.
    pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-compile"])
        .args(["--no-deps", "--require-hashes", "--only-binary", ":all:", "--requirement"])
        .arg(&requirements);
    output(&mut pip, GET_PYTHON).map(drop)
}

/// Installs into a directory whose name tells what is in it, unless that is there: what is there is complete.
fn once(name: &str, of: &[&str], install: impl FnOnce(&Path) -> Result<(), String>) -> Result<PathBuf, String> {
    let mut hasher = DefaultHasher::new();
    of.hash(&mut hasher);
    let root = Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("interop");
    let place = root.join(format!("{name}-{:016x}", hasher.finish()));
    let draft = root.join(format!("{name}-draft"));
    let told = |error: std::io::Error| format!("nothing can be installed in {}: {error}", root.display());

    fs::create_dir_all(&root).map_err(told)?;
    // Each process of a test runner comes by here; the system unlocks the file of one that is killed.
    let lock = File::create(root.join(format!("{name}.lock"))).map_err(told)?;
    FileExt::lock(&lock).map_err(told)?;
    if !place.is_dir() {
        if draft.exists() {
            fs::remove_dir_all(&draft).map_err(told)?;
        }
        fs::create_dir(&draft).map_err(told)?;
        install(&draft)?;
        fs::rename(&draft, &place).map_err(told)?;
    }
    Ok(place)
}

/// What a command prints, once it succeeded.
fn output(command: &mut Command, get: &str) -> Result<String, String> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command.output().map_err(|error| match error.kind() {
        ErrorKind::NotFound => format!("`{program}` is missing: it comes with {get}"),
        _ => format!("`{program}` cannot be run: {error}"),
    })?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned());
    }
    let (said, log) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    Err(format!("{command:?} failed, which needs {get}, and, the first time, the package registries:\n{said}{log}"))
}

fn at_least((major, minor): (u32, u32), version: &str, get: &str) -> Result<(), String> {
    let mut numbers = version.split('.').map_while(|number| number.parse::<u32>().ok());
    let found = numbers.next().zip(numbers.next());
    if found.is_some_and(|found| found >= (major, minor)) {
        return Ok(());
    }
    Err(format!("found version {version}, needed: {get}"))
}

#[test]
fn a_version_is_compared_by_its_numbers() {
    for (version, is_enough) in
        [("20.12.0", true), ("20.9.1", false), ("100.1.0", true), ("3.14.1", false), ("", false)]
    {
        assert_eq!(at_least(NODE, version, "").is_ok(), is_enough, "{version}");
    }
}
