# A stand-in for a hypervisor: it is VAGRANT_HOME/Vagrantfile, so that Vagrant takes its `virtualbox` for the real one. Its
# machines are SSH servers that the test runs; all that is done with them is Vagrant's own, and so is the Vagrantfile.
require "json"
require "securerandom"

module StandIn
  SERVERS = JSON.parse(File.read(ENV.fetch("STAND_IN")))

  class Made
    def initialize(app, _) = @app = app

    def call(env)
      sleep 3 if env[:machine].name == :dc1 && ENV.key?("SIDE_BY_SIDE") # so that its member is there first
      env[:machine].id ||= SecureRandom.uuid
      SERVERS["ports"].fetch(env[:machine].name.to_s) { |name| raise Vagrant::Errors::VagrantError.new, "#{name} is made, and nobody answers" }
      @app.call(env)
    end
  end

  class Unfinished < Made
    # As a look at a machine's state that was ended in the middle: who looks holds the machine's lock. The one that has just
    # looked while the machine came up may have been ended there by itself.
    def call(env)
      look(env[:machine])
      @app.call(env)
    end

    def look(machine)
      machine.env.machine_index.get(machine.index_uuid)
    rescue Vagrant::Errors::MachineLocked
      nil
    end
  end

  class Gone < Made
    def call(env)
      env[:machine].id = nil
      @app.call(env)
    end
  end

  class Provider < Vagrant.plugin("2", :provider)
    Builtin = Vagrant::Action::Builtin
    ACTIONS = {
      up: [Builtin::ConfigValidate, Builtin::Provision, Made, [Builtin::WaitForCommunicator, [:running]],
           Unfinished],
      provision: [Builtin::ConfigValidate, Builtin::Provision], ssh_run: [Builtin::SSHRun], destroy: [Gone]
    }.freeze

    def self.usable?(*) = true

    def initialize(machine) = @machine = machine

    def action(name)
      Vagrant::Action::Builder.new.tap { |chain| ACTIONS.fetch(name).each { |each| chain.use(*each) } }
    end

    def ssh_info
      SERVERS["common"].transform_keys(&:to_sym).merge(port: SERVERS["ports"][@machine.name.to_s]) if @machine.id
    end

    def state
      id = @machine.id ? :running : Vagrant::MachineState::NOT_CREATED_ID
      Vagrant::MachineState.new(id, id.to_s, id.to_s)
    end
  end

  module Ports
    def self.forwarded_ports(_) = { 55_986 => 5986, 55_636 => 636 }
  end

  class Plugin < Vagrant.plugin("2")
    name "stand-in"
    provider(:virtualbox, box_optional: true, parallel: ENV.key?("SIDE_BY_SIDE")) { Provider }
    provider_capability(:virtualbox, :forwarded_ports) { Ports }
  end
end
