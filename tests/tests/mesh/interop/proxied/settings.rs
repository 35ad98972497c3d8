//! The files of a service and of the proxy in front of it, around what docs/certificates.md shows.

use std::{net::SocketAddr, path::Path};

use tower_identity_testkit::TestIssuer;

const DOCUMENT: &str = include_str!("../../../../../docs/certificates.md");

/// What the document shows in this language.
fn shown(language: &str) -> &'static str {
    let (_, rest) = DOCUMENT.split_once(&format!("```{language}\n")).expect("it is shown");
    rest.split_once("```").expect("to its end").0
}

pub(super) fn of_the_service(proxy: &str, login: &TestIssuer) -> String {
    let (header, form) = match proxy {
        "nginx" => ("x-ssl-client-cert", "escaped_pem"),
        "haproxy" => ("client-cert", "rfc9440"),
        _ => ("x-forwarded-client-cert", "xfcc"),
    };
    assert!(DOCUMENT.contains(&format!("with `header = \"{header}\"` and `form = \"{form}\"`")), "{proxy}");
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
        "nginx" => nginx(shown("nginx")),
        "haproxy" => haproxy(shown("haproxy")),
        _ => envoy(shown("yaml")),
    };
    let at = |file: &str| folder.join(file).to_str().expect("text").to_owned();
    let files = ["gateway-and-key.pem", "server-and-key.pem", "gateway.pem", "gateway.key", "server.pem", "server.key"];
    let written = files
        .into_iter()
        .chain(["bundle.pem"])
        .fold(written, |text, file| text.replace(&format!(" {file}"), &format!(" {}", at(file))));
    written.replace("orders.internal:8443", &service.to_string()).replace("@SERVICE_PORT@", &service.port().to_string())
}

fn nginx(location: &str) -> String {
    format!(
        "daemon off;
        master_process off;
        pid nginx.pid;
        events {{ }}
        http {{
            access_log off;
            server {{
                listen 127.0.0.1:@PORT@ ssl;
                ssl_certificate server.pem;
                ssl_certificate_key server.key;
                ssl_verify_client optional_no_ca;
                {location}
            }}
        }}
        "
    )
}

fn haproxy(backend: &str) -> String {
    let ignored = "crt-ignore-err all ca-ignore-err all";
    format!(
        "defaults\n    mode http\n    timeout connect 10s\n    timeout client 60s\n    timeout server 60s\n\
         listen shop\n    bind 127.0.0.1:@PORT@ ssl crt server-and-key.pem verify optional ca-file bundle.pem {ignored}\n\
         {backend}"
    )
}

fn envoy(manager: &str) -> String {
    let manager: String = manager.lines().map(|line| format!("          {line}\n")).collect();
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
          http_filters:
          - name: envoy.filters.http.router
            typed_config: {{ "@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router }}
{manager}
      transport_socket:
        name: envoy.transport_sockets.tls
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext
          require_client_certificate: false
          common_tls_context:
            tls_certificates:
            - certificate_chain: {{ filename: server.pem }}
              private_key: {{ filename: server.key }}
            validation_context:
              trusted_ca: {{ filename: bundle.pem }}
              trust_chain_verification: ACCEPT_UNTRUSTED
  clusters:
  - name: orders
    type: STATIC
    load_assignment:
      cluster_name: orders
      endpoints:
      - lb_endpoints:
        - endpoint: {{ address: {{ socket_address: {{ address: 127.0.0.1, port_value: @SERVICE_PORT@ }} }} }}
    transport_socket:
      name: envoy.transport_sockets.tls
      typed_config:
        "@type": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext
        sni: orders.internal
        common_tls_context:
          tls_certificates:
          - certificate_chain: {{ filename: gateway.pem }}
            private_key: {{ filename: gateway.key }}
          validation_context:
            trusted_ca: {{ filename: bundle.pem }}
"#
    )
}
