"""Own the names of the AWS services, as data: what a call or a client may say it was for.

Drawn up once from the service models of botocore 1.44.8: the names that boto3 knows them by
(LocalStack and moto use the same), their IDs in lower case with hyphens, endpoint prefixes and
signing names; and the names of services that are gone from it. Of names that differ in
case and punctuation alone the first is listed. Whoever needs it imports it when that is so.
"""

from __future__ import annotations

_APART = str.maketrans("", "", "-_. ")

SERVICES = frozenset(
    """a2i-runtime.sagemaker abuse abuse-signal accessanalyzer account account-access
    account-access-runtime acm acm-pca aco-automation admin.wickr agent-discovery
    agent-registry agent-registry-control agreement-marketplace aidevops aiops airflow
    airflow-serverless alexaforbusiness amp amplify amplifybackend amplifyuibuilder aoss
    api.detective api.ecr api.ecr-public api.iotdeviceadvisor api.iotmanagedintegrations
    api.iotwireless api.mediatailor api.pricing api.sagemaker api.tunneling.iot apigateway
    apigatewaymanagementapi apigatewayv2 apiportal appconfig appconfigdata appfabric appflow
    appintegrations application-autoscaling application-discovery-service application-insights
    application-signals applicationcostprofiler appmesh apprunner appstream appstream2 appsync
    apptest aps arc-region-switch arc-zonal-shift artifact athena auditmanager autoscaling
    autoscaling-plans aws-marketplace awsssoportal b2bi backup backup-gateway backupsearch
    backupstorage batch bcm-dashboards bcm-data-exports bcm-pricing-calculator
    bcm-recommended-actions bedrock bedrock-agent bedrock-agent-runtime bedrock-agentcore
    bedrock-agentcore-control bedrock-data-automation bedrock-data-automation-runtime
    bedrock-runtime billing billingconductor braket budgets cases cassandra cassandra-streams
    catalog.marketplace ce chatbot chime chime-sdk-identity chime-sdk-media-pipelines
    chime-sdk-meetings chime-sdk-messaging chime-sdk-voice cleanrooms cleanroomsml cloud9
    cloudcontrol cloudcontrolapi clouddirectory cloudformation cloudfront
    cloudfront-keyvaluestore cloudhsm cloudhsmv2 cloudsearch cloudsearchdomain cloudtrail
    cloudtrail-data cloudwatch cloudwatch-logs cloudwatchomni codeartifact codebuild
    codecatalyst codecommit codeconnections codedeploy codeguru-reviewer codeguru-security
    codeguruprofiler codepipeline codestar codestar-connections codestar-notifications
    cognito-identity cognito-identity-provider cognito-idp cognito-sync comprehend
    comprehendmedical compute-optimizer compute-optimizer-automation config config-service
    connect connect-contact-lens connect-voice-id connectcampaigns connectcampaignsv2
    connectcases connecthealth connectparticipant connectscheduling contact-lens continuum
    controlcatalog controlplane.payment-cryptography controltower cost-and-usage-report-service
    cost-explorer cost-optimization-hub cur customer-profiles data-ats.iot data-signer
    data.jobs.iot data.mediastore data.qapps database-migration-service databrew dataexchange
    datapipeline dataplane.payment-cryptography datasync datazone dax deadline
    deployment-marketplace detective devicefarm devops-agent devops-guru directconnect
    directory-service directory-service-data discovery discovery-marketplace dlm dms docdb
    docdb-elastic drs ds ds-data dsql dynamodb dynamodbstreams ebs ec2 ec2-instance-connect ecr
    ecr-public ecs edge.sagemaker efs eks eks-auth elastic-inference elastic-load-balancing-v2
    elasticache elasticbeanstalk elasticfilesystem elasticloadbalancing elasticmapreduce
    elasticsearch elasticsearch-service elastictranscoder elb elbv2 elementalinference email
    emr emr-containers emr-serverless endusermessaging entitlement.marketplace entityresolution
    es eventbridge eventbridgev2 events eventsv2 evidently evs execute-api
    featurestore-runtime.sagemaker finspace finspace-data firehose fis fms forecast
    forecastquery frauddetector freetier fsx gamelift gameliftstreams gamesparks
    gateway-runtime.sagemaker geo geo-maps geo-places geo-routes glacier globalaccelerator glue
    grafana greengrass greengrassv2 groundstation guardduty health health-agent healthlake
    honeycode iam iam-toolbox identity-chime identitystore imagebuilder importexport
    inferencerouter-runtime.sagemaker ingest.timestream inspector inspector-scan inspector2
    interconnect internetmonitor invoicing iot iot-data iot-data-plane iot-jobs-data
    iot-jobs-data-plane iot-managed-integrations iot1click-devices iot1click-projects
    iotanalytics iotdeviceadvisor iotevents iotevents-data iotfleethub iotfleetwise
    iotroborunner iotsecuredtunneling iotsecuretunneling iotsitewise iotthingsgraph
    iottwinmaker iotwireless ivs ivs-realtime ivschat job-runtime.sagemaker kafka kafkaconnect
    kendra kendra-ranking keyspaces keyspacesstreams kinesis kinesis-video-archived-media
    kinesis-video-media kinesis-video-signaling kinesis-video-webrtc-storage kinesisanalytics
    kinesisanalyticsv2 kinesisvideo kms lakeformation lambda lambda-core lambda-microvms
    lambda-web launch-wizard lex lex-model-building-service lex-models lex-models-v2
    lex-runtime lex-runtime-service lex-runtime-v2 lexv2-models lexv2-runtime license-manager
    license-manager-linux-subscriptions license-manager-user-subscriptions lightsail location
    logs lookoutequipment lookoutmetrics lookoutvision m2 machinelearning macie macie2
    mailmanager managedblockchain managedblockchain-query marketplace-agreement
    marketplace-catalog marketplace-deployment marketplace-discovery marketplace-entitlement
    marketplace-entitlement-service marketplace-metering marketplace-reporting
    marketplacecommerceanalytics media-pipelines-chime mediaconnect mediaconvert medialive
    mediapackage mediapackage-vod mediapackagev2 mediastore mediastore-data mediatailor
    medical-imaging meetings-chime memorydb messaging-chime meteringmarketplace
    metrics.sagemaker mgh mgn migration-hub migration-hub-refactor-spaces migrationhub-config
    migrationhuborchestrator migrationhubstrategy mobile mobileanalytics mobiletargeting
    models-v2-lex models.lex monitoring mpa mq mturk mturk-requester mwaa mwaa-serverless
    neptune neptune-db neptune-graph neptunedata network-firewall network-security-manager
    networkflowmonitor networkmanager networkmonitor nimble notifications notificationscontacts
    nova-act oam observabilityadmin odb oidc omics opensearch opensearchmemory
    opensearchserverless opsworks opsworkscm organizations osis osm outposts panorama
    participant.connect partnercentral partnercentral-account partnercentral-benefits
    partnercentral-channel partnercentral-marketing partnercentral-prm
    partnercentral-revenue-measurement partnercentral-selling payment-cryptography
    payment-cryptography-data payments pca-connector-ad pca-connector-scep pcs personalize
    personalize-events personalize-runtime pi pinpoint pinpoint-email pinpoint-sms-voice
    pinpoint-sms-voice-v2 pipes polly portal.sso pricing pricing-plan-manager privatenetworks
    profile proton qapps qbusiness qconnect qldb qldb-session query.timestream quicksight ram
    rbin rds rds-data redshift redshift-data redshift-serverless refactor-spaces rekognition
    reporting-marketplace repostspace resiliencehub resiliencehubv2 resource-explorer-2
    resource-groups resourcegroupstaggingapi robomaker rolesanywhere route53
    route53-recovery-cluster route53-recovery-control-config route53-recovery-readiness
    route53domains route53globalresolver route53profiles route53resolver rtbfabric rum
    runtime-v2-lex runtime.lex runtime.sagemaker s3 s3control s3files s3outposts s3tables
    s3vectors sagemaker sagemaker-a2i-runtime sagemaker-edge sagemaker-featurestore-runtime
    sagemaker-gateway-runtime sagemaker-geospatial sagemaker-inference-router-runtime
    sagemaker-metrics sagemaker-runtime sagemakerjobruntime sagemakertrainingsessionruntime
    savingsplans scheduler schemas scn sdb secretsmanager security-ir securityagent securityhub
    securitylake serverlessapplicationrepository serverlessrepo service-quotas servicecatalog
    servicecatalog-appregistry servicediscovery ses sesv2 sfn shield signer signer-data signin
    simpledb simpledbv2 simspaceweaver sms sms-voice sms-voice.pinpoint snow-device-management
    snowball sns socialmessaging sqs ssm ssm-contacts ssm-guiconnect ssm-incidents
    ssm-quicksetup ssm-sap sso sso-admin sso-oauth sso-oidc states stepfunctions storagegateway
    streams.dynamodb sts supplychain support support-app supportauthz sustainability swf
    synthetics tagging tax taxsettings textract thinclient timestream timestream-influxdb
    timestream-query timestream-write training-session-runtime.sagemaker transcribe transfer
    translate trustedadvisor uxc verifiedpermissions voice-chime voice-id vpc-lattice waf
    waf-regional wafv2 wellarchitected wickr wisdom workdocs worklink workmail
    workmailmessageflow workspaces workspaces-instances workspaces-thin-client workspaces-web
    xray""".split()  # noqa: SIM905  (a list of words reads best so)
)

_AS_ONE = frozenset(name.translate(_APART) for name in SERVICES)


def is_service(name: str) -> bool:
    """Tell whether a name is a service's; `CloudWatch Logs` is `cloudwatch-logs`."""
    return name.lower().translate(_APART) in _AS_ONE
