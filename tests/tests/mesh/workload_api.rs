//! A settings file that goes by SPIFFE's Workload API: whom it lets in, what it shows, and who it is at a server.

use std::{fs, path::PathBuf, time::Duration};

use tower_identity::{LiveSettings, ServerTls, Settings, SettingsError, system_clock};
use tower_identity_testkit::{TestAuthority, TestWorkloadApi};

const ID: &str = "spiffe://example.org/orders";
const READY: Duration = Duration::from_secs(20);

/// An agent that has told a workload of its certificate, and of whom to trust; and where the workload's file is.
struct Stage {
    folder: tempfile::TempDir,
    agent: TestWorkloadApi,
    own: TestAuthority,
    partner: TestAuthority,
}

impl Stage {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let agent = TestWorkloadApi::start(folder.path().join("agent.sock"));
        let [own, partner] = [(); 2].map(|()| TestAuthority::new(&system_clock()));
        let svid = own.certificate().uri(ID).dns("localhost").build();
        agent.send(ID, &svid, &[("example.org", &[&own]), ("partner.example", &[&partner])]);
        Self { folder, agent, own, partner }
    }

    fn file(&self) -> String {
        let endpoint = self.agent.endpoint();
        format!(
            "[spiffe]\nworkload_api = '{endpoint}'\n\n[inbound]\nclient_certificate = 'required'\n\n\
             [[inbound.issuer]]\nissuer = 'https://login.example.com'\naudience = 'orders'\n\n\
             [[inbound.certificates]]\ntrust_domain = 'example.org'\n\n\
             [[inbound.certificates]]\ntrust_domain = 'partner.example'\n\n\
             [outbound.server.login]\nissuer = 'https://login.example.com'\nclient_id = 'orders'\n\
             client_certificate = 'workload_api'\n"
        )
    }

    fn written(&self, text: &str) -> PathBuf {
        let path = self.folder.path().join("orders.toml");
        fs::write(&path, text).expect("written");
        path
    }

    async fn read(&self, text: &str) -> Result<Settings, String> {
        let read = Settings::ready_from_path(self.written(text), READY).await;
        read.map_err(|wrong| self.told(&wrong))
    }

    /// What is wrong, without the folder.
    fn told(&self, wrong: &SettingsError) -> String {
        wrong.to_string().replace(&format!("{}/", self.folder.path().display()), "")
    }
}

#[tokio::test]
async fn wapi_b1_a_file_goes_by_what_the_agent_tells() {
    let stage = Stage::new();
    let settings = stage.read(&stage.file()).await.expect("in order");
    let verifier = settings.verifier().expect("inbound");
    let caller = |authority: &TestAuthority, id: &str| {
        let decision = verifier.certificate(authority.certificate().uri(id).build().chain());
        decision.map(|caller| caller.principal().workload().id.to_string()).map_err(|refusal| refusal.check())
    };
    let (storefront, credit) = ("spiffe://example.org/storefront", "spiffe://partner.example/credit");
    assert_eq!(caller(&stage.own, storefront), Ok(storefront.to_owned()));
    assert_eq!(caller(&stage.partner, credit), Ok(credit.to_owned()));
    assert_eq!(caller(&stage.partner, storefront), Err("certificate"));

    let workload = settings.workload_api().expect("the file names it");
    assert_eq!(workload.id().as_deref(), Some(ID));
    ServerTls::posted(workload.svid()).build().expect("what it shows is there");
    settings.outbound().expect("and what proves it to the server");
}

#[tokio::test]
async fn wapi_b1_what_the_agent_does_not_tell_of_is_said_by_file_and_line() {
    let stage = Stage::new();
    let file = stage.file();
    let good = |settings: Result<Settings, String>| settings.map(drop);
    assert_eq!(good(stage.read(&file).await), Ok(()));
    let read_at_once = |text: &str| {
        let read = Settings::from_path(stage.written(text)).map(drop);
        read.map_err(|wrong| stage.told(&wrong))
    };
    let awaited =
        "orders.toml:2: spiffe.workload_api: is awaited before the rest is read: read the file by ready_from_path";
    assert_eq!(read_at_once(&file), Err(awaited.to_owned()));

    let without = |lines: &str| file.replacen(lines, "", 1);
    let unnamed = without(&format!("workload_api = '{}'\n", stage.agent.endpoint()));
    let roots =
        "orders.toml:10: inbound.certificates[0].roots: is missing: the file with the certificates of its authorities";
    assert_eq!(good(stage.read(&unnamed).await), Err(roots.to_owned()), "a table of the service's own");
    let no_anchors = "[[inbound.certificates]]\ntrust_domain = 'example.org'\n\n\
                      [[inbound.certificates]]\ntrust_domain = 'partner.example'\n\n";
    let ours = unnamed.replacen(no_anchors, "", 1).replacen("client_certificate = 'required'", "", 1);
    let rule = "is that of a Workload API, which the table spiffe of a settings file names, and there is none";
    let told = read_at_once(&ours).expect_err("nobody tells of it");
    assert!(told.ends_with(&format!("outbound.server.login.client_certificate: {rule}")), "{told}");

    let elsewhere = file.replacen(&stage.agent.endpoint(), "tcp://192.0.2.7:8081", 1);
    let rule = "is on another machine, and keys would go there in plaintext";
    assert_eq!(good(stage.read(&elsewhere).await), Err(format!("orders.toml:2: spiffe.workload_api: {rule}")));
    let nobody = stage.folder.path().join("nobody.sock");
    let nobody = file.replacen(&stage.agent.endpoint(), &format!("unix:{}", nobody.display()), 1);
    let told = Settings::ready_from_path(stage.written(&nobody), Duration::from_millis(50)).await;
    let told = stage.told(&told.expect_err("nobody is there"));
    assert!(told.starts_with("orders.toml:2: spiffe.workload_api: the Workload API at unix:"), "{told}");
    assert!(told.ends_with("has sent no certificate within 0 s"), "{told}");
}

#[tokio::test]
async fn wapi_b2_settings_that_are_read_again_go_on_with_the_agent_that_they_began_with() {
    let stage = Stage::new();
    let path = stage.written(&stage.file());
    let settings = LiveSettings::ready_from_path(&path, READY).await.expect("in order");
    let verifier = settings.settings().verifier().expect("inbound");
    let storefront = stage.own.certificate().uri("spiffe://example.org/storefront").build();
    let credit = stage.partner.certificate().uri("spiffe://partner.example/credit").build();
    let are_good = || [&storefront, &credit].map(|one| verifier.certificate(one.chain()).is_ok());
    assert_eq!(are_good(), [true, true]);

    stage.written(&stage.file().replacen("[[inbound.certificates]]\ntrust_domain = 'partner.example'\n\n", "", 1));
    assert_eq!(settings.reload().map_err(|wrong| stage.told(&wrong)), Ok(2));
    assert_eq!(are_good(), [true, false]);
    stage.written(&stage.file().replacen("agent.sock", "another.sock", 1));
    let waits = "takes effect at a restart only, and nothing else that this file says does before";
    let refused = settings.reload().map_err(|wrong| stage.told(&wrong));
    assert_eq!(refused, Err(format!("orders.toml:2: spiffe.workload_api: {waits}")));
    assert_eq!(are_good(), [true, false]);
}
