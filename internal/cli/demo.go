package cli
type demoCommand struct{}
func (demoCommand) Run(s *session) error { return nil }
