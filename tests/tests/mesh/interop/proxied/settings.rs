//! The files of a service and of the proxy in front of it, around what docs/certificates.md and docs/forward-auth.md show.

use std::{fs, net::SocketAddr, path::Path};

use tower_identity_testkit::TestIssuer;

const CERTIFICATES: &str = include_str!("../../../../../docs/certificates.md");
const FORWARD_AUTH: &str = include_str!("../../../../../docs/forward-auth.md");

/// What the document shows in this language.
fn shown(document: &'static str, language: &str) -> &'static str {
    let (_, rest) = document.split_once(&format!("```{language}\n")).expect("it is shown");
    rest.split_once("```").expect("to its end").0
}

pub(super) fn of_the_service(proxy: &str, login: &TestIssuer) -> String {
    let (header, form) = match proxy {
        "nginx" => ("x-ssl-client-cert", "escaped_pem"),
        "haproxy" => ("client-cert", "rfc9440"),
        _ => ("x-forwarded-client-cert", "xfcc"),
    };
    assert!(CERTIFICATES.contains(&format!("with `header = \"{header}\"` and `form = \"{form}\"`")), "{proxy}");
    format!(
        r#"
        [inbound]
        client_certificate = "required"

        [inbound.forwarded_certificate]
        header = "{header}"
        form = "{form}"
        peers = [{{ caller = {{ issuer = "spiffe://example.org", id = "spiffe://example.org/gateway" }} }}]

        [[inbound.issuer]]
        issuer = "{login}"
        audience = "orders"

        [[inbound.certificates]]
        trust_domain = "example.org"
        roots = "bundle.pem"

        [[inbound.workload]]
        is = ["storefront", {{ issuer = "spiffe://example.org", id = "spiffe://example.org/storefront" }}]
        "#,
        login = login.issuer(),
    )
}

/// Each asks its clients for certificates, and lets in whatever comes: what is made of it is the service's to say.
pub(super) fn of_the_proxy(name: &str, folder: &Path, service: SocketAddr) -> String {
    let written = match name {
        "nginx" => nginx(&format!("{NGINX_TLS}{}", shown(CERTIFICATES, "nginx"))),
        "haproxy" => haproxy("", HAPROXY_TLS, shown(CERTIFICATES, "haproxy")),
        _ => {
            let manager = format!("{ENVOY_ROUTER}{}", shown(CERTIFICATES, "yaml"));
            envoy(&manager, ENVOY_TLS, &[("orders", "@SERVICE_PORT@", ENVOY_CLIENT_TLS)])
        }
    };
    behind(&written, folder, service)
}

/// With the files of this folder, in front of this service.
fn behind(written: &str, folder: &Path, service: SocketAddr) -> String {
    let at = |file: &str| folder.join(file).to_str().expect("text").to_owned();
    let files = ["gateway-and-key.pem", "server-and-key.pem", "gateway.pem", "gateway.key", "server.pem", "server.key"];
    let written = files
        .into_iter()
        .chain(["bundle.pem"])
        .fold(written.to_owned(), |text, file| text.replace(&format!(" {file}"), &format!(" {}", at(file))));
    written.replace("orders.internal:8443", &service.to_string()).replace("@SERVICE_PORT@", &service.port().to_string())
}

/// A service behind one that asks: whose users are those of the edge that publishes its keys here.
pub(super) fn of_the_service_behind(login: &TestIssuer, keys: &str) -> String {
    let login = login.issuer().as_str();
    [("https://login.example.com", login), ("https://edge.internal/.well-known/jwks.json", keys)].into_iter().fold(
        shown(FORWARD_AUTH, "toml").to_owned(),
        |text, (shown, real)| {
            assert!(text.contains(shown), "{shown}");
            text.replace(shown, real)
        },
    )
}

/// To its clients over plaintext, each asks the service at `asked` first.
pub(super) fn of_one_that_asks(name: &str, folder: &Path, asked: SocketAddr, service: SocketAddr) -> String {
    let lua = folder.join("forward-auth.lua");
    let at = |text: &str| text.replace("127.0.0.1:9000", &asked.to_string());
    fs::write(&lua, at(shown(FORWARD_AUTH, "lua"))).expect("written");
    let asked_port = asked.port().to_string();
    let written = match name {
        "nginx" => nginx(&format!("listen 127.0.0.1:@PORT@;{}", shown(FORWARD_AUTH, "nginx"))),
        "haproxy" => {
            let global = format!("global\n    lua-load {}\n", lua.display());
            haproxy(&global, "", shown(FORWARD_AUTH, "haproxy"))
        }
        "traefik" => shown(FORWARD_AUTH.split_once("## Traefik\n").expect("it is there").1, "yaml").to_owned(),
        "caddy" => caddy(shown(FORWARD_AUTH, "caddyfile")),
        _ => {
            let clusters = [("orders", "@SERVICE_PORT@", ENVOY_CLIENT_TLS), ("auth", &*asked_port, "")];
            envoy(shown(FORWARD_AUTH, "yaml"), "", &clusters)
        }
    };
    behind(&at(&written), folder, service)
}

const NGINX_TLS: &str = "
    listen 127.0.0.1:@PORT@ ssl;
    ssl_certificate server.pem;
    ssl_certificate_key server.key;
    ssl_verify_client optional_no_ca;
";

fn nginx(server: &str) -> String {
    format!(
        "daemon off;\nmaster_process off;\npid nginx.pid;\nevents {{ }}\n\
         http {{\naccess_log off;\nserver {{\n{server}\n}}\n}}\n"
    )
}

const HAPROXY_TLS: &str =
    " ssl crt server-and-key.pem verify optional ca-file bundle.pem crt-ignore-err all ca-ignore-err all";

fn haproxy(global: &str, tls: &str, backend: &str) -> String {
    format!(
        "{global}defaults\n    mode http\n    timeout connect 10s\n    timeout client 60s\n    timeout server 60s\n\
         listen shop\n    bind 127.0.0.1:@PORT@{tls}\n{backend}"
    )
}

fn caddy(site: &str) -> String {
    format!(
        "{{\n    admin off\n    persist_config off\n    auto_https off\n}}\n\
         http://:@PORT@ {{\n    bind 127.0.0.1\n{site}}}\n"
    )
}

const ENVOY_ROUTER: &str = r#"http_filters:
- name: envoy.filters.http.router
  typed_config: { "@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router }
"#;

const ENVOY_TLS: &str = r#"
      transport_socket:
        name: envoy.transport_sockets.tls
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext
          require_client_certificate: false
          common_tls_context:
            tls_certificates:
            - certificate_chain: { filename: server.pem }
              private_key: { filename: server.key }
            validation_context:
              trusted_ca: { filename: bundle.pem }
              trust_chain_verification: ACCEPT_UNTRUSTED
"#;

const ENVOY_CLIENT_TLS: &str = r#"
    transport_socket:
      name: envoy.transport_sockets.tls
      typed_config:
        "@type": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext
        sni: orders.internal
        common_tls_context:
          tls_certificates:
          - certificate_chain: { filename: gateway.pem }
            private_key: { filename: gateway.key }
          validation_context:
            trusted_ca: { filename: bundle.pem }
"#;

/// The services by the names of their clusters, with their ports and what is said to them in TLS.
fn envoy(manager: &str, tls: &str, services: &[(&str, &str, &str)]) -> String {
    let manager: String = manager.lines().map(|line| format!("          {line}\n")).collect();
    let cluster = |(name, port, tls): &(&str, &str, &str)| {
        format!(
            r#"
  - name: {name}
    type: STATIC
    load_assignment:
      cluster_name: {name}
      endpoints:
      - lb_endpoints:
        - endpoint: {{ address: {{ socket_address: {{ address: 127.0.0.1, port_value: {port} }} }} }}
{tls}"#
        )
    };
    let clusters: String = services.iter().map(cluster).collect();
    format!(
        r#"
static_resources:
  listeners:
  - address: {{ socket_address: {{ address: 127.0.0.1, port_value: @PORT@ }} }}
    filter_chains:
    - filters:
      - name: envoy.filters.network.http_connection_manager
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: shop
{manager}{tls}
  clusters:{clusters}
"#
    )
}
