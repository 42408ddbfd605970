//! Network namespaces: processes on hosts of their own, with a wire between each and the next that can be cut.
//!
//! A direction is cut silently, as a network does: packets go to a hardware address that nobody has.

use std::net::Ipv4Addr;
use std::process::{Child, ChildStdin, Command, Stdio};

use anyhow::{Context as _, Result, bail};

/// Removes the namespaces when its input closes: also when the test process dies.
const REMOVE: &str = r#"read -r _; for name; do ip netns delete "$name"; done"#;
/// The hardware address of nobody.
const NOBODY: &str = "02:00:00:00:00:00";

/// One end of a wire.
#[derive(Debug, Clone)]
struct End {
    /// None: the namespace of the test.
    host: Option<String>,
    device: String,
    address: Ipv4Addr,
    hardware: String,
}

/// A wire between two hosts.
#[derive(Debug, Clone)]
pub struct Wire {
    left: End,
    right: End,
}

/// Which direction of a wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// From the left to the right.
    Right,
    /// From the right to the left.
    Left,
    /// Both.
    Both,
}

/// Hosts, removed when this is dropped.
#[derive(Debug)]
pub struct Hosts {
    names: Vec<String>,
    wires: u8,
    removing: Child,
    lifeline: Option<ChildStdin>,
}

impl Hosts {
    /// So many hosts without a wire.
    ///
    /// # Errors
    /// When we may not make network namespaces.
    pub fn new(count: usize) -> Result<Self> {
        let own = std::process::id();
        let names: Vec<_> = (0..count).map(|host| format!("emend-{own}-{host}")).collect();
        for name in &names {
            ip(None, &["netns", "add", name])?;
            ip(Some(name), &["link", "set", "lo", "up"])?;
        }
        let mut removing = Command::new("sh")
            .args(["-c", REMOVE, "emend-hosts"])
            .args(&names)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .context("sh")?;
        let lifeline = removing.stdin.take();
        Ok(Self { names, wires: 0, removing, lifeline })
    }

    /// A wire from the test itself (`None`) or a host to a host.
    ///
    /// # Errors
    /// When it cannot be laid.
    pub fn wire(&mut self, left: Option<usize>, right: usize) -> Result<Wire> {
        let (own, number) = (std::process::id(), self.wires);
        self.wires += 1;
        // Addresses for benchmarks of networks (RFC 2544): nobody else has them.
        let net = [198, 18 + (own % 2) as u8, (own / 2 % 256) as u8, number * 4];
        let end = |host: Option<usize>, side: u8| End {
            host: host.map(|host| self.names[host].clone()),
            device: format!("em{own}{}{number}", if side == 1 { "l" } else { "r" }),
            address: Ipv4Addr::new(net[0], net[1], net[2], net[3] + side),
            hardware: format!("02:00:00:{:02x}:{number:02x}:{side:02x}", own % 256),
        };
        let wire = Wire { left: end(left, 1), right: end(Some(right), 2) };
        let (left, right) = (&wire.left, &wire.right);
        ip(None, &["link", "add", &left.device, "type", "veth", "peer", "name", &right.device])?;
        for end in [left, right] {
            if let Some(host) = &end.host {
                ip(None, &["link", "set", &end.device, "netns", host])?;
            }
            let host = end.host.as_deref();
            ip(host, &["link", "set", &end.device, "address", &end.hardware])?;
            ip(host, &["address", "add", &format!("{}/30", end.address), "dev", &end.device])?;
            ip(host, &["link", "set", &end.device, "up"])?;
        }
        wire.mend()?;
        Ok(wire)
    }

    /// The command, to be run on a host.
    pub fn command(&self, host: usize, command: &Command) -> Command {
        let mut there = Command::new("ip");
        there.args(["netns", "exec", &self.names[host]]).arg(command.get_program()).args(command.get_args());
        for (name, value) in command.get_envs() {
            match value {
                Some(value) => there.env(name, value),
                None => there.env_remove(name),
            };
        }
        if let Some(folder) = command.get_current_dir() {
            there.current_dir(folder);
        }
        there
    }
}

impl Drop for Hosts {
    fn drop(&mut self) {
        drop(self.lifeline.take());
        let _removed = self.removing.wait();
    }
}

impl Wire {
    /// The address at the left end.
    pub fn left(&self) -> Ipv4Addr {
        self.left.address
    }

    /// The address at the right end.
    pub fn right(&self) -> Ipv4Addr {
        self.right.address
    }

    /// Cuts a direction: what is sent there is lost, and nobody is told.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn cut(&self, way: Way) -> Result<()> {
        if way != Way::Left {
            neighbour(&self.left, self.right.address, NOBODY)?;
        }
        if way != Way::Right {
            neighbour(&self.right, self.left.address, NOBODY)?;
        }
        Ok(())
    }

    /// Makes both directions whole.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn mend(&self) -> Result<()> {
        neighbour(&self.left, self.right.address, &self.right.hardware)?;
        neighbour(&self.right, self.left.address, &self.left.hardware)
    }
}

/// To which hardware address one end sends what is for the other.
fn neighbour(end: &End, other: Ipv4Addr, hardware: &str) -> Result<()> {
    let other = other.to_string();
    let line = ["neighbour", "replace", &other, "lladdr", hardware, "dev", &end.device, "nud", "permanent"];
    ip(end.host.as_deref(), &line)
}

fn ip(host: Option<&str>, arguments: &[&str]) -> Result<()> {
    let mut command = Command::new("ip");
    if let Some(host) = host {
        command.args(["-n", host]);
    }
    let output = command.args(arguments).output().context("ip (Debian: iproute2)")?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        bail!("{command:?}: {said}this test makes network namespaces: run it as root");
    }
    Ok(())
}
