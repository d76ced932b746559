package settings

import (
	"fmt"
	"net"
	"slices"
)

// Redis says which Redis holds the online store. Mode is single (the default,
// one address), sentinel (the sentinels' addresses, and the name under which they
// know the master) or cluster (some of its nodes). Durability "rebuild" accepts
// servers without persistence: their loss is then repaired from history.
type Redis struct {
	Mode       string    `yaml:"mode,omitempty"`
	Addrs      []string  `yaml:"addrs"`
	Username   string    `yaml:"username,omitempty"`
	Password   Secret    `yaml:"password,omitempty"`
	Sentinel   *Sentinel `yaml:"sentinel,omitempty"`
	TLS        *TLS      `yaml:"tls,omitempty"`
	Durability string    `yaml:"durability,omitempty"`
}

// Sentinel is the master's name among the sentinels, and how these let us in.
type Sentinel struct {
	Master   string `yaml:"master"`
	Username string `yaml:"username,omitempty"`
	Password Secret `yaml:"password,omitempty"`
}

// Modes of Redis.
const (
	RedisSingle   = "single"
	RedisSentinel = "sentinel"
	RedisCluster  = "cluster"
)

func (r *Redis) validate() (problems []error) {
	bad := func(format string, args ...any) { problems = append(problems, fmt.Errorf(format, args...)) }
	if !slices.Contains([]string{"", RedisSingle, RedisSentinel, RedisCluster}, r.Mode) {
		bad("online.redis.mode: %q is none of single, sentinel, cluster", r.Mode)
	}
	switch single := r.Mode == "" || r.Mode == RedisSingle; {
	case len(r.Addrs) == 0:
		bad("online.redis.addrs: name at least one address, as host:port")
	case single && len(r.Addrs) > 1:
		bad("online.redis.addrs: one address is one server, %d are given: write mode: sentinel or mode: cluster", len(r.Addrs))
	}
	for _, addr := range r.Addrs {
		if _, _, err := net.SplitHostPort(addr); err != nil {
			bad("online.redis.addrs: %q is not host:port: %w", addr, err)
		}
	}
	if named := r.Sentinel != nil && r.Sentinel.Master != ""; named != (r.Mode == RedisSentinel) {
		bad("online.redis.sentinel.master: name the master with mode: sentinel, and only there")
	}
	if err := r.TLS.validate("online.redis.tls"); err != nil {
		problems = append(problems, err)
	}
	if !slices.Contains([]string{"", "rebuild"}, r.Durability) {
		bad("online.redis.durability: %q is neither empty nor \"rebuild\"", r.Durability)
	}
	return problems
}

// overlay applies FRESHET_ONLINE_REDIS_* variables but the addresses.
func (r *Redis) overlay(getenv func(string) string) {
	for name, p := range map[string]*string{
		"FRESHET_ONLINE_REDIS_MODE": &r.Mode, "FRESHET_ONLINE_REDIS_USERNAME": &r.Username, "FRESHET_ONLINE_REDIS_PASSWORD": (*string)(&r.Password),
	} {
		if v := getenv(name); v != "" {
			*p = v
		}
	}
}

// texts are the values that may hold references.
func (r *Redis) texts() []*string {
	out := []*string{&r.Username, (*string)(&r.Password)}
	if s := r.Sentinel; s != nil {
		out = append(out, &s.Master, &s.Username, (*string)(&s.Password))
	}
	if t := r.TLS; t != nil {
		out = append(out, t.texts()...)
	}
	return out
}
