package plant

import (
	"errors"
	"math/rand/v2"
	"net"
	"slices"
	"sync"
	"time"
)

// Proxy stands between a client and a server, and loses answers or delays them.
type Proxy struct {
	listener net.Listener
	target   string

	mu      sync.Mutex
	r       *rand.Rand
	drop    float64       // share of answers that are lost with their connection
	delay   time.Duration // of each answer
	dropped int
	conns   map[net.Conn]bool
	closed  bool
	wait    sync.WaitGroup
}

// NewProxy listens on a free port.
func NewProxy(target string, seed uint64) (*Proxy, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	p := &Proxy{listener: l, target: target, r: rand.New(rand.NewPCG(seed, 11)), conns: map[net.Conn]bool{}}
	p.wait.Add(1)
	go p.accept()
	return p, nil
}

// Addr is where it listens.
func (p *Proxy) Addr() string { return p.listener.Addr().String() }

// Drop loses this share of answers: the request has arrived, the connection ends.
func (p *Proxy) Drop(share float64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.drop = share
}

// Delay makes each answer come later.
func (p *Proxy) Delay(d time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.delay = d
}

// Dropped is how many answers were lost.
func (p *Proxy) Dropped() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.dropped
}

// Close ends it and its connections.
func (p *Proxy) Close() error {
	err := p.listener.Close()
	p.mu.Lock()
	p.closed = true
	for c := range p.conns {
		_ = c.Close() // whoever reads it sees that
	}
	p.mu.Unlock()
	p.wait.Wait()
	return err
}

func (p *Proxy) accept() {
	defer p.wait.Done()
	for {
		client, err := p.listener.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			continue
		}
		server, err := net.Dial("tcp", p.target)
		if err != nil {
			_ = client.Close() // as the server would
			continue
		}
		if !p.keep(client, server) {
			return
		}
		p.wait.Add(2)
		go p.requests(client, server)
		go p.answers(client, server)
	}
}

func (p *Proxy) keep(conns ...net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range conns {
		if p.closed {
			_ = c.Close() // nobody waits for it
			continue
		}
		p.conns[c] = true
	}
	return !p.closed
}

func (p *Proxy) end(conns ...net.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range conns {
		delete(p.conns, c)
		_ = c.Close() // both sides end together
	}
}

func (p *Proxy) requests(client, server net.Conn) {
	defer p.wait.Done()
	defer p.end(client, server)
	buf := make([]byte, 64<<10)
	for {
		n, err := client.Read(buf)
		if err != nil {
			return
		}
		if _, err := server.Write(buf[:n]); err != nil {
			return
		}
	}
}

// late is a part of an answer that is passed on at an instant: what comes behind it
// does not wait for that much longer, as on a long line.
type late struct {
	bytes []byte
	at    time.Time
}

func (p *Proxy) answers(client, server net.Conn) {
	defer p.wait.Done()
	defer p.end(client, server)
	line := make(chan late, 1024)
	defer close(line)
	p.wait.Add(1)
	go p.passOn(client, server, line)
	buf := make([]byte, 64<<10)
	for {
		n, err := server.Read(buf)
		if err != nil {
			return
		}
		lose, delay := p.fate()
		if lose {
			return
		}
		line <- late{slices.Clone(buf[:n]), time.Now().Add(delay)}
	}
}

func (p *Proxy) passOn(client, server net.Conn, line <-chan late) {
	defer p.wait.Done()
	for x := range line { // to its end: who fills it must not wait
		time.Sleep(time.Until(x.at))
		if _, err := client.Write(x.bytes); err != nil {
			p.end(client, server)
		}
	}
}

func (p *Proxy) fate() (lose bool, delay time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if lose = p.drop > 0 && p.r.Float64() < p.drop; lose {
		p.dropped++
	}
	return lose, p.delay
}
