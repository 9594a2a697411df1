// Package machine gives tests a real Debian with systemd: a container of
// systemd-nspawn with a network of its own, booted from a throw-away layer over
// a root that debootstrap made once and that is kept between test runs. Tests
// reboot it, cut its power and throw it away. It needs root, debootstrap,
// systemd-nspawn and overlayfs; without them a test fails and says so.
//
// A test either drives a machine from outside (Start), or a whole package's
// tests run inside one (Main), where systemctl, loopback ports and paths are
// simply the machine's.
package machine
