package main

// mix spends a sixth of the time in each of six states.
func mix(c *call) {
	d := c.ms / 6
	c.burn(d)
	c.sleep(d)
	c.mutex(d)
	c.channel(d)
	c.pipeBlocking(d)
	c.ask(d)
}
